"""The base class of tables that only loading writes, and that may have millions of rows."""

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from unfold import admin as unfold

from marketplace.admin_site import elements, formatting
from marketplace.admin_site.field_values import field_value
from marketplace.admin_site.large_tables import (
    MATCH_LIMIT,
    LargeTableChangeList,
    contains,
    is_large_field,
)
from marketplace.admin_site.query_validation import ROW_KEY, QueryValidationMixin
from marketplace.admin_site.question_panels import panels_for
from marketplace.postgresql.search import matching, search_query
from marketplace.registry import ALIASES, get_database

if TYPE_CHECKING:
    # unfold has no types. Its class derives from this one.
    ModelAdmin: TypeAlias = admin.ModelAdmin[Any]
else:
    ModelAdmin = unfold.ModelAdmin


#: Columns for the fieldsets of tables of items that platforms publish.
IDENTITY = ("platform", "external_id")
LIFECYCLE = ("first_seen_at", "last_seen_at", "updated_at")


class Panel(NamedTuple):
    """A section of a row's page, below its columns.

    :param html: the content
    :param note: a remark below the content
    :param is_folded: whether the content is hidden until the user opens it
    """

    title: str
    html: str
    note: str = ""
    is_folded: bool = False


class ReadOnlyAdmin(QueryValidationMixin, ModelAdmin):
    """A table that may have millions of rows and that only loading writes."""

    #: Symbol in the navigation, and its text there: the model's name if empty.
    icon = "table_rows"
    nav_title = ""

    #: Columns by which the list can be sorted: each should have an index, or the table be small.
    sortable: Sequence[str] = ()

    #: Column by which the list is sorted by default, newest first; the key if empty.
    time_column = ""

    #: Sortable columns of a large table without an index: they sort only a part of the table.
    sortable_without_index: Sequence[str] = ()

    #: Amounts in the row's `currency`: only rows with the same currency are filtered and sorted.
    amounts: Sequence[str] = ()

    #: Explanation on the page of an empty table, and the command that fills the table.
    empty_text = "No data has been loaded yet. To load a file, run:"
    empty_command = "python manage.py ingest PLATFORM FILE…"

    #: Columns that a search compares: ids for equality, a full-text vector or texts by words,
    #: names by a part of them.
    search_ids: Sequence[str] = ("external_id",)
    search_vector = ""
    search_texts: Sequence[str] = ()
    search_names: Sequence[str] = ()

    #: Large fields that the list reads although it shows none of them directly.
    list_large_fields: Sequence[str] = ()

    #: Relations that the page of a row shows.
    detail_related: Sequence[str] = ()

    actions = None
    change_form_template = "admin/marketplace/detail.html"
    list_before_template = "admin/marketplace/list_notes.html"
    list_filter_submit = True
    list_per_page = 50
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: only loading adds rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: only loading changes rows."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: loaded rows are not deleted in the admin."""
        return False

    # The list.

    @cached_property
    def _columns(self) -> dict[str, Any]:
        return {str(name): self._column(str(name)) for name in self.list_display}

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns, as methods that format values by their type."""
        return tuple(self._columns.values())

    def get_ordering(self, request: HttpRequest) -> Any:
        """Return the default order of the list: the newest rows first."""
        return (f"-{self.time_column}", "-pk") if self.time_column else ("-pk",)

    def get_sortable_by(self, request: HttpRequest) -> Any:
        """Return the columns by which the user can sort."""
        return [self._columns[name] for name in self.sortable]

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the columns that a search compares; the search box is hidden without any."""
        return (*self.search_ids, *self.search_names)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the class of the list."""
        return LargeTableChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows without columns that are too large for a list."""
        return super().get_queryset(request).defer(*self._deferred_fields())

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Filter by an id, words or a part of a name; at most MATCH_LIMIT + 1 rows remain."""
        term = search_term.strip()
        if not term:
            return queryset, False
        by_id, by_words = self._by_id(term), self._by_words(term)
        # No index supports a condition on an id of one table or words of another.
        if by_id and "__" in self._words_path and queryset.filter(by_id).exists():
            by_words = Q()
        # The limit makes PostgreSQL find the matches by their index and sort them afterwards.
        # Without it, it may read the whole table in the order of the list.
        matches = queryset.filter(by_id | by_words).order_by().values("pk")[: MATCH_LIMIT + 1]
        return queryset.filter(pk__in=matches), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list, with a note if the URL restricts it to a related row."""
        related = {"related_rows": list(self._related_rows(request))}
        return super().changelist_view(request, related | (extra_context or {}))

    def _column(self, name: str) -> Any:
        method = self._display_method(name)
        if method is not None:
            return method
        field: Any = self.model._meta.get_field(name)

        def value(obj: models.Model) -> str:
            return field_value(obj, field, short=True)

        value.__name__ = name
        value.short_description = formatting.label(field.name)  # type: ignore[attr-defined]
        value.admin_order_field = name  # type: ignore[attr-defined]
        return value

    def _deferred_fields(self) -> list[str]:
        paths = [
            ("", self.model),
            *((f"{path}__", self._related_model(path)) for path in self._list_relations()),
        ]
        shown = {*self.list_large_fields, *map(str, self.list_display)}
        return [
            f"{prefix}{field.name}"
            for prefix, model in paths
            for field in model._meta.fields
            if is_large_field(field) and (prefix or field.name not in shown)
        ]

    def _list_relations(self) -> Sequence[str]:
        related = self.list_select_related
        return () if isinstance(related, bool) else related

    def _related_model(self, path: str) -> type[models.Model]:
        model: Any = self.model
        for part in path.split("__"):
            model = model._meta.get_field(part).related_model
        return model  # type: ignore[no-any-return]

    def _by_id(self, term: str) -> Q:
        condition = Q()
        if re.fullmatch(r"\S*\d\S*", term) or not (self._words_path or self.search_names):
            for path in self.search_ids:
                condition |= Q(**{path: term}) & self._platforms(path)
        return condition

    @property
    def _words_path(self) -> str:
        """The path of the column whose words are searched; empty if there is none."""
        return self.search_vector or (self.search_texts[0] if self.search_texts else "")

    def _by_words(self, term: str) -> Q:
        condition = Q(**{self.search_vector: search_query(term)}) if self.search_vector else Q()
        if self.search_texts:
            condition |= Q(matching(self.search_texts, term))
        for name in self.search_names:
            condition |= contains(name, term)
        return condition

    def _platforms(self, path: str) -> Q:
        """Return a condition with all platforms: indexes of external ids begin with them."""
        prefix, _, column = path.rpartition("external_id")
        label = self.model._meta.app_label
        if column or not path.endswith("external_id") or label not in ALIASES:
            return Q()
        return Q(**{f"{prefix}platform__in": get_database(label).platforms})

    def _related_rows(self, request: HttpRequest) -> Iterable[tuple[str, models.Model]]:
        """Yield the rows to which the URL restricts the list, with the names of their columns."""
        for column in self.related_filters:
            key = request.GET.get(f"{column}__id__exact", "")
            rows = self._related_model(column)._default_manager
            if ROW_KEY.fullmatch(key) and (row := rows.filter(pk=key).first()):
                yield column.replace("_", " "), row

    # The page of a row.

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """Return a row with all columns and the relations of its page, or None."""
        rows = self.model._default_manager.select_related(*self.detail_related)
        try:
            pk = self.model._meta.pk.to_python(object_id)
        except ValidationError:
            return None
        return rows.filter(pk=pk).first()

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show the row: its key figures, its columns in groups, its panels."""
        obj = kwargs.get("obj")
        if obj is not None:
            context |= {
                "title": elements.clip(str(obj)),
                "images": self.images(obj),
                "figures": self.figures(obj),
                "groups": self._groups(request, obj),
                "panels": self.panels(obj),
                "question_panels": panels_for(request, self.model._meta.label_lower, obj),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def images(self, obj: Any) -> list[str]:
        """Return the URLs of the pictures at the top of the page."""
        return []

    def figures(self, obj: Any) -> list[tuple[str, str]]:
        """Return the key figures at the top of the page: name and value."""
        return []

    def panels(self, obj: Any) -> list[Panel]:
        """Return the sections below the columns."""
        return []

    def _groups(self, request: HttpRequest, obj: Any) -> list[tuple[str, list[tuple[str, str]]]]:
        return [
            (str(title or "Details"), [self._label_and_value(obj, n) for n in options["fields"]])
            for title, options in self.get_fieldsets(request, obj)
        ]

    def _label_and_value(self, obj: Any, name: Any) -> tuple[str, str]:
        method = self._display_method(name)
        if method is not None:
            return method.short_description, method(obj)
        return formatting.label(name), field_value(obj, obj._meta.get_field(name))

    def _display_method(self, name: str) -> Any:
        """Return the display method of this name, or None if it is the name of a field."""
        method = getattr(type(self), name, None)
        return getattr(self, name) if hasattr(method, "short_description") else None
