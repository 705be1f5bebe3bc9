"""Filters of the admin's lists. None of them asks the database which values there are."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, TypeAlias

from django.contrib.admin import FieldListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters import admin as unfold
from unfold.utils import parse_date_str

from marketplace.presentation import label
from marketplace.registry import ALIASES, get_database, get_platform

if TYPE_CHECKING:
    # unfold has no types: these are the classes that its own derive from.
    from django.contrib.admin import SimpleListFilter

    _DateFilter: TypeAlias = FieldListFilter
    _DropdownFilter: TypeAlias = SimpleListFilter
    _NumberFilter: TypeAlias = FieldListFilter
    _RadioFilter: TypeAlias = SimpleListFilter
    _TextFilter: TypeAlias = SimpleListFilter
else:
    _DateFilter = unfold.RangeDateFilter
    _DropdownFilter = unfold.DropdownFilter
    _NumberFilter = unfold.RangeNumericFilter
    _RadioFilter = unfold.RadioFilter
    _TextFilter = unfold.TextFilter

#: Choices of a column that is true, false or unknown.
YES_NO = (("yes", "Yes"), ("no", "No"))

_VALUES = {"yes": True, "no": False}
_UNKNOWN = "unknown"

Rows = QuerySet[Any]


class PlatformFilter(_RadioFilter):
    """One of the platforms of the table's database."""

    title = "platform"
    parameter_name = "platform"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the registered platforms."""
        label = model_admin.model._meta.app_label
        names = get_database(label).platforms if label in ALIASES else ()
        return [(name, get_platform(name).title) for name in names]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """Keep the platform's rows."""
        return queryset.filter(platform=self.value()) if self.value() else queryset


class RangeFilter(_NumberFilter):
    """From a number to a number, both included; for computed columns too."""

    def __init__(
        self, field: Any, request: HttpRequest, params: Any, *args: Any, **kwargs: Any
    ) -> None:
        # The class between refuses computed columns, which have a type of their own.
        FieldListFilter.__init__(self, field, request, params, *args, **kwargs)
        self.title = label(self.field_path)
        self.request = request
        self.parameter_name = self.field_path
        for name in (f"{self.field_path}_from", f"{self.field_path}_to"):
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """Keep the rows between the numbers; what is no number is no limit."""
        for end, lookup in (("from", "gte"), ("to", "lte")):
            value = _decimal(self.used_parameters.get(f"{self.field_path}_{end}"))
            if value is not None:
                queryset = queryset.filter(**{f"{self.field_path}__{lookup}": value})
        return queryset


class DayRangeFilter(_DateFilter):
    """From a day to a day, both included, in the project's time zone."""

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """Keep the rows between the first day's start and the last day's end."""
        name = self.field_path
        first = _midnight(self.used_parameters.get(f"{name}_from"))
        last = _midnight(self.used_parameters.get(f"{name}_to"))
        if first:
            queryset = queryset.filter(**{f"{name}__gte": first})
        if last:
            queryset = queryset.filter(**{f"{name}__lt": last + timedelta(days=1)})
        return queryset


def choice(field: str, choices: Iterable[tuple[str, str]] = YES_NO) -> type[Any]:
    """Return a filter that offers `choices` of a column, and the unknown."""
    offered = [*choices, (_UNKNOWN, "Unknown")]
    # A list of buttons that does not fit the screen is a list to choose from.
    base = _DropdownFilter if len(offered) > 8 else _RadioFilter

    def lookups(self: Any, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return offered

    def queryset(self: Any, request: HttpRequest, rows: Rows) -> Rows:
        value = self.value()
        if value in (None, ""):
            return rows
        if value == _UNKNOWN:
            return rows.filter(**{f"{field}__isnull": True})
        if value not in dict(offered):
            return rows.none()
        return rows.filter(**{field: _VALUES.get(value, value)})

    return _filter(base, field, "", lookups=lookups, queryset=queryset)


def text(field: str, lookup: str = "icontains", title: str = "") -> type[Any]:
    """Return a filter by a text that the user types; `lookup` is icontains, startswith, …"""

    def queryset(self: Any, request: HttpRequest, rows: Rows) -> Rows:
        value = (self.value() or "").strip().replace("\0", "")
        return rows.filter(**{f"{field}__{lookup}": value}) if value else rows

    return _filter(_TextFilter, field, title, queryset=queryset)


def _filter(base: type[Any], field: str, title: str, **methods: Any) -> type[Any]:
    own = {"title": title or label(field), "parameter_name": field}
    return type(f"{field}_filter", (base,), own | methods)


def _midnight(day: object) -> datetime | None:
    parsed = parse_date_str(day)
    return timezone.make_aware(datetime.combine(parsed, time.min)) if parsed else None


def _decimal(text: object) -> Decimal | None:
    try:
        value = Decimal(str(text).replace(" ", "").replace(",", "."))
    except InvalidOperation:
        return None
    return value if value.is_finite() and abs(value) < 10**18 else None
