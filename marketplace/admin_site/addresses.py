"""Checks of the addresses and forms of the admin: others are answered 400, with the reason."""

import logging
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.exceptions import DisallowedModelAdminToField
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.admin.views.main import (
    ERROR_FLAG,
    IGNORED_PARAMS,
    ORDER_VAR,
    PAGE_VAR,
    SEARCH_VAR,
)
from django.core.paginator import InvalidPage
from django.db import DataError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from psycopg2 import errors as pg

from marketplace.admin_site.error_pages import bad_address
from marketplace.admin_site.large_tables import ListPaginator
from marketplace.exceptions import BadParameterError
from marketplace.loading.values import quote

if TYPE_CHECKING:
    ModelAdmin: TypeAlias = admin.ModelAdmin[Any]
else:
    # A mixin: the class beside it is a ModelAdmin.
    ModelAdmin = object

logger = logging.getLogger(__name__)

#: Characters of a name or a value in an address. Servers take addresses of about 4,000 bytes.
VALUE_LIMIT = 4000

#: Characters of a search: Django compares each word of it with each column that is searched.
SEARCH_LIMIT = 500

#: The key of a row: a bigint.
KEY = re.compile("[0-9]{1,18}")

#: Parameters that every list reads, beside those of its filters.
_COMMON = {*IGNORED_PARAMS, PAGE_VAR, ERROR_FLAG}

#: Pattern and description of parameters that have a syntax; an empty value is not checked.
_SYNTAX = {
    PAGE_VAR: (re.compile("[1-9][0-9]{0,17}"), "a page number, such as 2"),
    ORDER_VAR: (
        re.compile(r"(-?[0-9]{1,3})(\.-?[0-9]{1,3}){0,9}"),
        "a sort order. Click the title of a column to sort by it",
    ),
}

#: The errors of PostgreSQL that a value causes which it cannot read. Others of their class, such as
#: a division by zero, are errors of the program.
_UNREADABLE = (
    pg.CharacterNotInRepertoire,
    pg.DatetimeFieldOverflow,
    pg.InvalidDatetimeFormat,
    pg.InvalidRegularExpression,
    pg.InvalidTextRepresentation,
    pg.NumericValueOutOfRange,
    pg.UntranslatableCharacter,
)


def check_characters(request: HttpRequest) -> None:
    """Check what holds for all addresses: PostgreSQL's text has no NUL character.

    :raises BadParameterError: names the parameters at fault
    """
    if "\0" in request.path_info:
        raise BadParameterError("The address has a NUL character.")
    for name, values in request.GET.lists():
        if any("\0" in text for text in (name, *values)):
            raise BadParameterError(f"{quote(name)} has a NUL character.", name)
        if any(len(text) > VALUE_LIMIT for text in (name, *values)):
            raise BadParameterError(
                f"{quote(name)} is longer than {VALUE_LIMIT:,} characters. Shorten it.", name
            )


class CheckedAdmin(ModelAdmin):
    """A table whose list accepts only the parameters that it offers."""

    #: Foreign keys: links from the related row's page narrow the list to the rows of that row.
    narrowed_by: tuple[str, ...] = ()

    paginator = ListPaginator

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list.

        :raises BadParameterError: if its address has a parameter that the list does not offer, or a
            value that it cannot read
        """
        self._check_address(request)
        try:
            return super().get_changelist_instance(request)
        except IncorrectLookupParameters as error:
            # Of Django's own filters, which do not say which of them it was.
            names = set(request.GET) - _COMMON
            raise BadParameterError("A filter has a value that is not valid.", *names) from error

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Run the action that was chosen in the list.

        :raises BadParameterError: if a chosen row has a key that is not valid
        """
        for key in request.POST.getlist(ACTION_CHECKBOX_NAME):
            if not KEY.fullmatch(key):
                raise BadParameterError(f"{quote(key)} is not the key of a row.")
        return super().response_action(request, queryset, *args, **kwargs)

    def _check_address(self, request: HttpRequest) -> None:
        narrowing = {f"{name}__id__exact" for name in self.narrowed_by}
        offered = _COMMON | narrowing | set(self._filter_parameters(request))
        for name, value in request.GET.items():
            text = str(value)
            if name not in offered:
                raise BadParameterError(
                    f"{quote(name)} is not a filter of this list. Use the filters beside the list.",
                    *(set(request.GET) - offered),
                )
            if name in narrowing and not KEY.fullmatch(text):
                raise BadParameterError(f"{quote(text)} is not the key of a row.", name)
            if name == SEARCH_VAR and len(text) > SEARCH_LIMIT:
                raise BadParameterError(
                    f"The search is longer than {SEARCH_LIMIT} characters. Search for fewer words.",
                    name,
                )
            if text and name in _SYNTAX:
                pattern, correct = _SYNTAX[name]
                if not pattern.fullmatch(text):
                    raise BadParameterError(f"{quote(text)} is not {correct}.", name)

    def _filter_parameters(self, request: HttpRequest) -> Iterator[str]:
        """Yield the parameters that the list's filters read."""
        for each in self.get_list_filter(request):
            spec: Any
            if callable(each):
                spec = each(request, {}, self.model, self)
            else:
                path, make = each if isinstance(each, tuple) else (each, _default_filter)
                field = get_fields_from_path(self.model, str(path))[-1]
                spec = make(field, request, {}, self.model, self, field_path=str(path))
            yield from spec.expected_parameters()


def _default_filter(*args: Any, **kwargs: Any) -> Any:
    return admin.FieldListFilter.create(*args, **kwargs)


class BadAddressMiddleware:
    """Answer 400, with the reason and a way back, where a page of the admin cannot read a value."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Let the request pass."""
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: object, arguments: object, options: object
    ) -> HttpResponse | None:
        """Return the page about an address that no view may be asked for; None if it may."""
        try:
            if _is_admin(request):
                check_characters(request)
        except BadParameterError as error:
            return self.process_exception(request, error)
        return None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Return the page about the value; None for errors of another kind."""
        found = explain(error) if _is_admin(request) else None
        if found is None:
            return None
        return bad_address(request, str(found), _list_without(request, found.names))


def _is_admin(request: HttpRequest) -> bool:
    match = request.resolver_match
    return match is not None and "admin" in match.app_names


def _list_without(request: HttpRequest, names: tuple[str, ...]) -> str:
    """Return the address of the list without some parameters; empty if it is not a list's."""
    match = request.resolver_match
    if not match or not (match.url_name or "").endswith("_changelist"):
        return ""
    # Without the page, too: with fewer filters the list has others.
    left_out = {*names, PAGE_VAR, ERROR_FLAG}
    query = urlencode(
        [
            (name, value)
            for name, values in request.GET.lists()
            for value in values
            if value and name not in left_out
        ]
    )
    return f"{request.path}?{query}" if query else request.path


def explain(error: Exception) -> BadParameterError | None:
    """Return the fault of the request; None if the error has another cause."""
    if isinstance(error, BadParameterError):
        return error
    if isinstance(error, DisallowedModelAdminToField):
        return BadParameterError("_to_field names a column that no table refers to.", "_to_field")
    if isinstance(error, InvalidPage):
        return BadParameterError(f"This page does not exist: {error}.", "page")
    if isinstance(error, DataError) and isinstance(error.__cause__, _UNREADABLE):
        # The last resort: a check is missing, and the log says where.
        logger.error("A value reached PostgreSQL unchecked", exc_info=error)
        reason = str(error).splitlines()[0]
        return BadParameterError(f"The database cannot read a value of the request: {reason}.")
    return None
