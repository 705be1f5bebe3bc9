"""Filters of the lists. None of them queries the database for the values of a column."""

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
    # unfold has no types. Its classes derive from these.
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

#: Choices of a boolean column.
YES_NO = (("yes", "Yes"), ("no", "No"))

_BOOLEANS = {"yes": True, "no": False}
_UNKNOWN = "unknown"

#: Formats of dates that users may type: 13.11.2026 or 2026-11-13.
_DATE_FORMATS = ("%d.%m.%Y", "%Y-%m-%d")
_NOT_A_NUMBER = Decimal("nan")
_FIRST_DAY, _LAST_DAY = date(1970, 1, 1), date(2200, 1, 1)

Rows = QuerySet[Any]


class _NumberField(forms.DecimalField):
    """A number in local notation: 5 300 716 or 12,5."""

    widget = forms.TextInput

    def to_python(self, value: Any) -> Any:
        """Return the number, or None for an empty text."""
        try:
            number = super().to_python(re.sub(r"\s", "", value or "").replace(",", "."))
        except ValidationError:
            number = _NOT_A_NUMBER
        if number is not None and not (number.is_finite() and abs(number) < 10**18):
            raise ValidationError(f"{quote(value)} is not a number. Write it as 5300716 or 12.5.")
        return number


class _DayField(forms.DateField):
    """A date in the local format or in that of ISO 8601."""

    input_formats = _DATE_FORMATS

    def to_python(self, value: Any) -> date | None:
        """Return the date, or None for an empty text."""
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
    """The two ends of a range, both of which may be empty."""

    field_class: type[forms.Field] = _NumberField
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
    field_class = _DayField
    example = "dd.mm.yyyy"
    css_class = "vCustomDateField"

    class Media:
        js = ("admin/js/calendar.js", "unfold/filters/js/DateTimeShortcuts.js")


class PlatformFilter(_RadioFilter):
    """A platform of the table's database."""

    title = "platform"
    parameter_name = "platform"

    #: Path of the column with the name of the platform.
    path = "platform"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the registered platforms of the database: name and title."""
        label = model_admin.model._meta.app_label
        names = get_database(label).platforms if label in ALIASES else ()
        return [(name, get_platform(name).title) for name in names]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """Return the rows of the platform.

        :raises BadParameterError: if the database has no such platform
        """
        name = self.value()
        _check_choice(self, name)
        return queryset.filter(**{self.path: name}) if name else queryset


def _check_choice(list_filter: Any, value: str | None) -> None:
    """Check that a value is empty or a choice of the filter.

    :raises BadParameterError: if it is not
    """
    if value and value not in dict(list_filter.lookup_choices):
        raise BadParameterError(
            f"{capfirst(str(list_filter.title))}: {quote(value)} is not one of the choices. "
            "Choose one in the filters of the list.",
            list_filter.parameter_name,
        )


class _RangeMixin:
    """The form of a filter with a lower and an upper limit."""

    form_class: type[_RangeForm] = _RangeForm
    field_path: str
    title: Any
    request: HttpRequest
    used_parameters: dict[str, Any]

    def limits(self, request: HttpRequest) -> tuple[Any, Any]:
        """Return the lower and the upper limit; None for a limit that is not set.

        :raises BadParameterError: if a limit is not a valid number or date
        """
        form = self._form()
        if form.errors:
            error = next(iter(form.errors.values()))[0]
            raise BadParameterError(f"{capfirst(str(self.title))}: {error}", *form.errors)
        first, last = map(form.cleaned_data.get, self._names())
        return first, last

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Yield the form with the values of the user and their errors."""
        yield {"request": self.request, "parameter_name": self.field_path, "form": self._form()}

    def _form(self) -> _RangeForm:
        data = {name: self.used_parameters.get(name, "") for name in self._names()}
        return self.form_class(self.field_path, data=data)

    def _names(self) -> tuple[str, str]:
        return f"{self.field_path}_from", f"{self.field_path}_to"


class RangeFilter(_RangeMixin, _NumberFilter):
    """Rows between two numbers, both included. Supports generated columns."""

    def __init__(
        self, field: Any, request: HttpRequest, params: Any, *args: Any, **kwargs: Any
    ) -> None:
        # Skips the constructor of unfold's class, which does not accept generated columns.
        FieldListFilter.__init__(self, field, request, params, *args, **kwargs)
        self.title = label(self.field_path)
        self.request = request
        self.parameter_name = self.field_path
        for name in (f"{self.field_path}_from", f"{self.field_path}_to"):
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """Return the rows between the numbers."""
        for lookup, value in zip(("gte", "lte"), self.limits(request), strict=True):
            if value is not None:
                queryset = queryset.filter(**{f"{self.field_path}__{lookup}": value})
        return queryset


class DayRangeFilter(_RangeMixin, _DateFilter):
    """Rows between two days, both included, in the project's time zone."""

    form_class = _DayRangeForm

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = label(self.field_path)

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """Return the rows from the start of the first day to the end of the last day."""
        name, (first, last) = self.field_path, self.limits(request)
        if first:
            queryset = queryset.filter(**{f"{name}__gte": self._start(first)})
        if last:
            queryset = queryset.filter(**{f"{name}__lt": self._start(last + timedelta(days=1))})
        return queryset

    def _start(self, day: date) -> date | datetime:
        """Return the start of a day as a time, or the day itself for a column of dates."""
        if not isinstance(self.field, DateTimeField):
            return day
        return timezone.make_aware(datetime.combine(day, time.min))


def choice(
    field: str, choices: Iterable[tuple[str, str]] = YES_NO, null_title: str = "Unknown"
) -> type[Any]:
    """Return a filter by `choices` of a column.

    :param null_title: text of an additional choice, of the rows where the column is NULL
    """
    all_choices = [*choices, (_UNKNOWN, null_title)]
    # Many radio buttons do not fit the screen.
    base = _DropdownFilter if len(all_choices) > 8 else _RadioFilter

    def lookups(self: Any, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return all_choices

    def queryset(self: Any, request: HttpRequest, rows: Rows) -> Rows:
        value = self.value()
        _check_choice(self, value)
        if not value:
            return rows
        if value == _UNKNOWN:
            return rows.filter(**{f"{field}__isnull": True})
        return rows.filter(**{field: _BOOLEANS.get(value, value)})

    return _filter(base, field, "", lookups=lookups, queryset=queryset)


def text(field: str, lookup: str = "icontains", title: str = "") -> type[Any]:
    """Return a filter that compares a column with a typed text by `lookup`."""
    return matching(field, title or label(field), lambda text: Q(**{f"{field}__{lookup}": text}))


def matching(name: str, title: str, condition: Callable[[str], Q]) -> type[Any]:
    """Return a filter by a typed text.

    :param name: the parameter in the URL
    :param condition: returns the condition on the rows for a text
    """

    def queryset(self: Any, request: HttpRequest, rows: Rows) -> Rows:
        value = (self.value() or "").strip()
        return rows.filter(condition(value)) if value else rows

    return _filter(_TextFilter, name, title, queryset=queryset)


def _filter(base: type[Any], field: str, title: str, **methods: Any) -> type[Any]:
    attributes = {"title": title or label(field), "parameter_name": field}
    return type(f"{field}_filter", (base,), attributes | methods)


#: A currency in which platforms publish prices.
CurrencyFilter = choice("currency", CURRENCIES)
