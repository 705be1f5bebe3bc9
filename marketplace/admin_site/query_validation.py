"""Validation of the URLs and forms of the admin: invalid ones get a 400 with the reason."""

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

from marketplace.admin_site.error_pages import invalid_input
from marketplace.admin_site.large_tables import ListPaginator
from marketplace.exceptions import BadParameterError
from marketplace.loading.values import quote
from marketplace.postgresql.errors import first_line

if TYPE_CHECKING:
    ModelAdmin: TypeAlias = admin.ModelAdmin[Any]
else:
    # A mixin: it is combined with a ModelAdmin.
    ModelAdmin = object

logger = logging.getLogger(__name__)

#: Characters of the name or value of a parameter. Servers accept URLs of about 4,000 bytes.
VALUE_LIMIT = 4000

#: Characters of a search: Django compares each of its words with each searched column.
SEARCH_LIMIT = 500

#: The primary key of a row: a bigint.
ROW_KEY = re.compile("[0-9]{1,18}")

#: Parameters that every list accepts in addition to those of its filters.
_COMMON_PARAMETERS = {*IGNORED_PARAMS, PAGE_VAR, ERROR_FLAG}

#: Parameters with a syntax: its pattern and description. Empty values are valid.
_SYNTAX = {
    PAGE_VAR: (re.compile("[1-9][0-9]{0,17}"), "a page number, such as 2"),
    ORDER_VAR: (
        re.compile(r"(-?[0-9]{1,3})(\.-?[0-9]{1,3}){0,9}"),
        "a sort order. Click the title of a column to sort by it",
    ),
}

#: Errors that PostgreSQL raises for a value that it cannot read. Other errors of their class, such
#: as a division by zero, are errors in the program.
_UNREADABLE_VALUE = (
    pg.CharacterNotInRepertoire,
    pg.DatetimeFieldOverflow,
    pg.InvalidDatetimeFormat,
    pg.InvalidRegularExpression,
    pg.InvalidTextRepresentation,
    pg.NumericValueOutOfRange,
    pg.UntranslatableCharacter,
)


def validate_url(request: HttpRequest) -> None:
    """Check the path and the parameters for NUL characters and excessive length.

    :raises BadParameterError: with the names of the invalid parameters
    """
    # A text of PostgreSQL cannot contain a NUL character.
    if "\0" in request.path_info:
        raise BadParameterError("The address contains a NUL character.")
    for name, values in request.GET.lists():
        if any("\0" in text for text in (name, *values)):
            raise BadParameterError(f"{quote(name)} contains a NUL character.", name)
        if any(len(text) > VALUE_LIMIT for text in (name, *values)):
            raise BadParameterError(
                f"{quote(name)} is longer than {VALUE_LIMIT:,} characters. Shorten it.", name
            )


class QueryValidationMixin(ModelAdmin):
    """A table whose list accepts only the parameters that it offers."""

    #: Foreign keys by which links from the page of a related row filter the list.
    related_filters: tuple[str, ...] = ()

    paginator = ListPaginator

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list.

        :raises BadParameterError: if a parameter is unknown or its value is invalid
        """
        self._validate_query(request)
        try:
            return super().get_changelist_instance(request)
        except IncorrectLookupParameters as error:
            # Raised by Django's own filters, which do not specify the invalid parameter.
            names = set(request.GET) - _COMMON_PARAMETERS
            raise BadParameterError("A filter has an invalid value.", *names) from error

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Run the action that the user chose in the list.

        :raises BadParameterError: if the key of a selected row is invalid
        """
        for key in request.POST.getlist(ACTION_CHECKBOX_NAME):
            if not ROW_KEY.fullmatch(key):
                raise BadParameterError(f"{quote(key)} is not the key of a row.")
        return super().response_action(request, queryset, *args, **kwargs)

    def _validate_query(self, request: HttpRequest) -> None:
        related = {f"{name}__id__exact" for name in self.related_filters}
        accepted = _COMMON_PARAMETERS | related | set(self._filter_parameters(request))
        for name, value in request.GET.items():
            text = str(value)
            if name not in accepted:
                raise BadParameterError(
                    f"{quote(name)} is not a filter of this list. Use the filters of the list.",
                    *(set(request.GET) - accepted),
                )
            if name in related and not ROW_KEY.fullmatch(text):
                raise BadParameterError(f"{quote(text)} is not the key of a row.", name)
            if name == SEARCH_VAR and len(text) > SEARCH_LIMIT:
                raise BadParameterError(
                    f"The search is longer than {SEARCH_LIMIT} characters. Search for fewer words.",
                    name,
                )
            if text and name in _SYNTAX:
                pattern, description = _SYNTAX[name]
                if not pattern.fullmatch(text):
                    raise BadParameterError(f"{quote(text)} is not {description}.", name)

    def _filter_parameters(self, request: HttpRequest) -> Iterator[str]:
        """Yield the names of the parameters that the filters of the list read."""
        for entry in self.get_list_filter(request):
            list_filter: Any
            if callable(entry):
                list_filter = entry(request, {}, self.model, self)
            else:
                path, create = entry if isinstance(entry, tuple) else (entry, _default_filter)
                field = get_fields_from_path(self.model, str(path))[-1]
                list_filter = create(field, request, {}, self.model, self, field_path=str(path))
            yield from list_filter.expected_parameters()


def _default_filter(*args: Any, **kwargs: Any) -> Any:
    return admin.FieldListFilter.create(*args, **kwargs)


class QueryValidationMiddleware:
    """Answer requests to the admin with invalid values by a 400 with the reason and a link."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on."""
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: object, arguments: object, options: object
    ) -> HttpResponse | None:
        """Return an error page if the URL is invalid for all views, otherwise None."""
        try:
            if _is_admin(request):
                validate_url(request)
        except BadParameterError as error:
            return self.process_exception(request, error)
        return None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Return an error page about an invalid value, or None for other errors."""
        parameter_error = as_parameter_error(error) if _is_admin(request) else None
        if parameter_error is None:
            return None
        corrected = _list_url_without(request, parameter_error.names)
        return invalid_input(request, str(parameter_error), corrected)


def as_parameter_error(error: Exception) -> BadParameterError | None:
    """Return the error that explains an invalid value, or None if the error has another cause."""
    if isinstance(error, BadParameterError):
        return error
    if isinstance(error, DisallowedModelAdminToField):
        return BadParameterError("_to_field names a column that no table refers to.", "_to_field")
    if isinstance(error, InvalidPage):
        return BadParameterError(f"This page does not exist: {error}.", "page")
    if isinstance(error, DataError) and isinstance(error.__cause__, _UNREADABLE_VALUE):
        # A validation is missing. The log entry shows where.
        logger.error("A value reached PostgreSQL without validation", exc_info=error)
        reason = first_line(error)
        return BadParameterError(f"The database cannot read a value of the request: {reason}.")
    return None


def _is_admin(request: HttpRequest) -> bool:
    match = request.resolver_match
    return match is not None and "admin" in match.app_names


def _list_url_without(request: HttpRequest, names: tuple[str, ...]) -> str:
    """Return the URL of the list without some parameters; empty if it is not a list."""
    match = request.resolver_match
    if not match or not (match.url_name or "").endswith("_changelist"):
        return ""
    # The page number is removed, too: it belongs to the list with all filters.
    removed = {*names, PAGE_VAR, ERROR_FLAG}
    query = urlencode(
        [
            (name, value)
            for name, values in request.GET.lists()
            for value in values
            if value and name not in removed
        ]
    )
    return f"{request.path}?{query}" if query else request.path
