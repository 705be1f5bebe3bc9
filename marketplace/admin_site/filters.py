"""Filters of the admin's lists. None of them asks the database which values there are."""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from django import forms
from django.contrib.admin import FieldListFilter
from django.core.exceptions import ValidationError
from django.db.models import DateTimeField, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import capfirst
from unfold.contrib.filters import admin as unfold
from unfold.widgets import INPUT_CLASSES

from marketplace.admin_site.formatting import CURRENCIES, label
from marketplace.exceptions import BadParameterError
from marketplace.loading.values import quote
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

#: Days are written as 13.11.2026, or as 2026-11-13.
_DAYS = ("%d.%m.%Y", "%Y-%m-%d")
_NO_NUMBER = Decimal("nan")
_FIRST_DAY, _LAST_DAY = date(1970, 1, 1), date(2200, 1, 1)

Rows = QuerySet[Any]


class _Number(forms.DecimalField):
    """A number as a person writes it: 5 300 716, 12,5."""

    widget = forms.TextInput

    def to_python(self, value: Any) -> Any:
        """Return the number; None for an empty text."""
        try:
            number = super().to_python(re.sub(r"\s", "", value or "").replace(",", "."))
        except ValidationError:
            number = _NO_NUMBER
        if number is not None and not (number.is_finite() and abs(number) < 10**18):
            raise ValidationError(f"{quote(value)} is not a number. Write it as 5300716 or 12.5.")
        return number


class _Day(forms.DateField):
    """A day, in the order that is usual here or in that of ISO 8601."""

    input_formats = _DAYS

    def to_python(self, value: Any) -> date | None:
        """Return the day; None for an empty text."""
        try:
            day = super().to_python((value or "").strip())
        except ValidationError:
            day = date.min
        if day is not None and not _FIRST_DAY <= day <= _LAST_DAY:
            raise ValidationError(
                f"{quote(value)} is not a date. Write it as 13.11.2026 or 2026-11-13."
            )
        return day


class _RangeForm(forms.Form):
    """Two fields: from and to, both of which may be empty."""

    field_class: type[forms.Field] = _Number
    example = ""
    css_class = ""

    def __init__(self, name: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for end, title in (("from", "From"), ("to", "To")):
            field = self.field_class(label="", required=False)
            field.widget.attrs = {
                "placeholder": f"{title} {self.example}".rstrip(),
                "aria-label": title,
                "class": " ".join([self.css_class, *INPUT_CLASSES]),
            }
            self.fields[f"{name}_{end}"] = field


class _DayRangeForm(_RangeForm):
    field_class = _Day
    example = "dd.mm.yyyy"
    css_class = "vCustomDateField"

    class Media:
        js = ("admin/js/calendar.js", "unfold/filters/js/DateTimeShortcuts.js")


class PlatformFilter(_RadioFilter):
    """One of the platforms of the table's database."""

    title = "platform"
    parameter_name = "platform"

    #: The path to the platform's name.
    path = "platform"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the registered platforms."""
        label = model_admin.model._meta.app_label
        names = get_database(label).platforms if label in ALIASES else ()
        return [(name, get_platform(name).title) for name in names]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """Keep the platform's rows.

        :raises BadParameterError: if the database has no such platform
        """
        name = self.value()
        _check_choice(self, name)
        return queryset.filter(**{self.path: name}) if name else queryset


def _check_choice(spec: Any, value: str | None) -> None:
    """Check that a value is one of those that a filter offers, or none.

    :raises BadParameterError: if it is another
    """
    if value and value not in dict(spec.lookup_choices):
        raise BadParameterError(
            f"{capfirst(str(spec.title))}: {quote(value)} is not one of the choices. "
            "Choose one beside the list.",
            spec.parameter_name,
        )


class _LimitsFilter:
    """What filters from one value to another have in common: the form that reads both."""

    form_class: type[_RangeForm] = _RangeForm
    field_path: str
    title: Any
    request: HttpRequest
    used_parameters: dict[str, Any]

    def limits(self, request: HttpRequest) -> tuple[Any, Any]:
        """Return both values, None for no limit.

        :raises BadParameterError: if one of them is not a number, or not a date
        """
        form = self._form()
        if form.errors:
            error = next(iter(form.errors.values()))[0]
            raise BadParameterError(f"{capfirst(str(self.title))}: {error}", *form.errors)
        first, last = map(form.cleaned_data.get, self._names())
        return first, last

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Yield the form that the page shows, with the user's values and their errors."""
        yield {"request": self.request, "parameter_name": self.field_path, "form": self._form()}

    def _form(self) -> _RangeForm:
        data = {name: self.used_parameters.get(name, "") for name in self._names()}
        return self.form_class(self.field_path, data=data)

    def _names(self) -> tuple[str, str]:
        return f"{self.field_path}_from", f"{self.field_path}_to"


class RangeFilter(_LimitsFilter, _NumberFilter):
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
        """Keep the rows between the numbers."""
        for lookup, value in zip(("gte", "lte"), self.limits(request), strict=True):
            if value is not None:
                queryset = queryset.filter(**{f"{self.field_path}__{lookup}": value})
        return queryset


class DayRangeFilter(_LimitsFilter, _DateFilter):
    """From a day to a day, both included, in the project's time zone."""

    form_class = _DayRangeForm

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = label(self.field_path)

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """Keep the rows between the first day's start and the last day's end."""
        name, (first, last) = self.field_path, self.limits(request)
        if first:
            queryset = queryset.filter(**{f"{name}__gte": self._start(first)})
        if last:
            queryset = queryset.filter(**{f"{name}__lt": self._start(last + timedelta(days=1))})
        return queryset

    def _start(self, day: date) -> date | datetime:
        """Return when a day begins; the day itself for a column of days."""
        if not isinstance(self.field, DateTimeField):
            return day
        return timezone.make_aware(datetime.combine(day, time.min))


def choice(field: str, choices: Iterable[tuple[str, str]] = YES_NO) -> type[Any]:
    """Return a filter that offers `choices` of a column, and the unknown."""
    offered = [*choices, (_UNKNOWN, "Unknown")]
    # A list of buttons that does not fit the screen is a list to choose from.
    base = _DropdownFilter if len(offered) > 8 else _RadioFilter

    def lookups(self: Any, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return offered

    def queryset(self: Any, request: HttpRequest, rows: Rows) -> Rows:
        value = self.value()
        _check_choice(self, value)
        if not value:
            return rows
        if value == _UNKNOWN:
            return rows.filter(**{f"{field}__isnull": True})
        return rows.filter(**{field: _VALUES.get(value, value)})

    return _filter(base, field, "", lookups=lookups, queryset=queryset)


def text(field: str, lookup: str = "icontains", title: str = "") -> type[Any]:
    """Return a filter by a text that the user types; `lookup` is icontains, startswith, …"""
    return matching(field, title or label(field), lambda text: Q(**{f"{field}__{lookup}": text}))


def matching(name: str, title: str, condition: Callable[[str], Q]) -> type[Any]:
    """Return a filter by a text that the user types.

    :param name: the parameter in the address
    :param condition: which rows have the text
    """

    def queryset(self: Any, request: HttpRequest, rows: Rows) -> Rows:
        value = (self.value() or "").strip()
        return rows.filter(condition(value)) if value else rows

    return _filter(_TextFilter, name, title, queryset=queryset)


def _filter(base: type[Any], field: str, title: str, **methods: Any) -> type[Any]:
    own = {"title": title or label(field), "parameter_name": field}
    return type(f"{field}_filter", (base,), own | methods)


#: One of the currencies in which platforms publish prices.
CurrencyFilter = choice("currency", CURRENCIES)
