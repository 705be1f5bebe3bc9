"""The admin of large tables that are only read, and of the accounts."""

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from django.contrib import admin
from django.contrib.auth import admin as auth
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from unfold import admin as unfold
from unfold import forms

from marketplace.admin_site import formatting as show
from marketplace.admin_site.addresses import KEY, CheckedAdmin
from marketplace.admin_site.filters import DayRangeFilter, PlatformFilter, choice
from marketplace.admin_site.large_tables import FOUND_LIMIT, List, contains, is_heavy
from marketplace.admin_site.review import ReviewedRecordAdmin, ReviewedRunAdmin
from marketplace.loading import run_warnings
from marketplace.models import LoadRun
from marketplace.postgresql.search import matching, search_query
from marketplace.registry import ALIASES, get_database

if TYPE_CHECKING:
    # unfold has no types: these are the classes that its own derive from.
    ModelAdmin: TypeAlias = admin.ModelAdmin[Any]
    DjangoUserAdmin: TypeAlias = auth.UserAdmin[User]
else:
    ModelAdmin = unfold.ModelAdmin
    DjangoUserAdmin = auth.UserAdmin

admin.site.index_title = "Databases"


class Panel(NamedTuple):
    """A part of a row's page below its facts."""

    title: str
    html: str
    note: str = ""
    is_folded: bool = False


class ReadOnlyAdmin(CheckedAdmin, ModelAdmin):
    """A table that may have millions of rows and that only loading writes."""

    #: The symbol and name in the navigation; the name is the model's if empty.
    icon = "table_rows"
    nav_title = ""

    #: Columns by which a list may be sorted; each should have an index, or the table be small.
    sortable: Sequence[str] = ()

    #: The time of the observation, by which a list begins with the newest; by the key if empty.
    newest = ""

    #: Those of a large table that have no index: only a part of the table is sorted by them.
    sorted_without_index: Sequence[str] = ()

    #: Amounts in the row's `currency`: those of one currency only are filtered and sorted.
    amounts: Sequence[str] = ()

    #: What an empty table means, and the command that fills it.
    empty_text = "Nothing has been loaded. Load what a platform returned:"
    empty_command = "python manage.py ingest PLATFORM FILE…"

    #: What a search compares: ids exactly, the full-text vector or that of some texts, names by a
    #: part of them.
    search_ids: Sequence[str] = ("external_id",)
    search_vector = ""
    search_texts: Sequence[str] = ()
    search_names: Sequence[str] = ()

    #: Large fields that the list needs all the same.
    shown_heavy: Sequence[str] = ()

    #: Relations that a row's page shows.
    detail_related: Sequence[str] = ()

    actions = None
    change_form_template = "admin/marketplace/detail.html"
    list_before_template = "admin/marketplace/narrowed.html"
    list_filter_submit = True
    list_per_page = 50
    show_facets = admin.ShowFacets.NEVER
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: only loading adds rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: only loading changes rows."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: nothing that was loaded is deleted here."""
        return False

    # The list.

    @cached_property
    def _columns(self) -> dict[str, Any]:
        return {str(name): self._column(str(name)) for name in self.list_display}

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns, each of which shows its value as its type wants."""
        return tuple(self._columns.values())

    def get_ordering(self, request: HttpRequest) -> Any:
        """Return the order of a list that the user did not sort: the newest first."""
        return (f"-{self.newest}", "-pk") if self.newest else ("-pk",)

    def get_sortable_by(self, request: HttpRequest) -> Any:
        """Return the columns that a click sorts by."""
        return [self._columns[name] for name in self.sortable]

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Return what a search compares; the search box is shown if there is any."""
        return (*self.search_ids, *self.search_names)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the class that reads the list."""
        return List

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows without what no list shows: vectors, payloads, descriptions."""
        return super().get_queryset(request).defer(*self._heavy())

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Keep the rows with the id, the words or the name that the user typed."""
        term = search_term.strip()
        if not term:
            return queryset, False
        by_id, by_words = self._by_id(term), self._by_words(term)
        # No index serves an id in one table or words in another.
        if by_id and "__" in self._words_path and queryset.filter(by_id).exists():
            by_words = Q()
        # The limit makes PostgreSQL find the matches by their index before it sorts them;
        # without it, it may walk through the whole table in the order of the list.
        found = queryset.filter(by_id | by_words).order_by().values("pk")[: FOUND_LIMIT + 1]
        return queryset.filter(pk__in=found), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list; if a link narrowed it to a related row, say so."""
        narrowed = {"narrowed": list(self._narrowed(request))}
        return super().changelist_view(request, narrowed | (extra_context or {}))

    def _column(self, name: str) -> Any:
        own = self._own(name)
        if own is not None:
            return own
        field: Any = self.model._meta.get_field(name)

        def value(obj: models.Model) -> str:
            return show.field_value(obj, field, short=True)

        value.__name__ = name
        value.short_description = show.label(field.name)  # type: ignore[attr-defined]
        value.admin_order_field = name  # type: ignore[attr-defined]
        return value

    def _heavy(self) -> list[str]:
        paths = [("", self.model), *((f"{p}__", self._related(p)) for p in self._list_related())]
        shown = {*self.shown_heavy, *map(str, self.list_display)}
        return [
            f"{prefix}{field.name}"
            for prefix, model in paths
            for field in model._meta.fields
            if is_heavy(field) and (prefix or field.name not in shown)
        ]

    def _list_related(self) -> Sequence[str]:
        related = self.list_select_related
        return () if isinstance(related, bool) else related

    def _related(self, path: str) -> type[models.Model]:
        model: Any = self.model
        for part in path.split("__"):
            model = model._meta.get_field(part).related_model
        return model  # type: ignore[no-any-return]

    def _by_id(self, term: str) -> Q:
        match = Q()
        if re.fullmatch(r"\S*\d\S*", term) or not (self._words_path or self.search_names):
            for path in self.search_ids:
                match |= Q(**{path: term}) & self._platforms(path)
        return match

    @property
    def _words_path(self) -> str:
        """The path to what words are compared with; empty if they are with nothing."""
        return self.search_vector or (self.search_texts[0] if self.search_texts else "")

    def _by_words(self, term: str) -> Q:
        match = Q(**{self.search_vector: search_query(term)}) if self.search_vector else Q()
        if self.search_texts:
            match |= Q(matching(self.search_texts, term))
        for name in self.search_names:
            match |= contains(name, term)
        return match

    def _platforms(self, path: str) -> Q:
        """Name all platforms, because the index of an external id begins with the platform."""
        prefix, _, column = path.rpartition("external_id")
        label = self.model._meta.app_label
        if column or not path.endswith("external_id") or label not in ALIASES:
            return Q()
        return Q(**{f"{prefix}platform__in": get_database(label).platforms})

    def _narrowed(self, request: HttpRequest) -> Iterable[tuple[str, models.Model]]:
        """Return the rows to which the address narrows the list, with their column's name."""
        for column in self.narrowed_by:
            key = request.GET.get(f"{column}__id__exact", "")
            rows = self._related(column)._default_manager
            if KEY.fullmatch(key) and (row := rows.filter(pk=key).first()):
                yield column.replace("_", " "), row

    # A row's page.

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """Return the whole row with what its page shows; None if there is none."""
        rows = self.model._default_manager.select_related(*self.detail_related)
        try:
            pk = self.model._meta.pk.to_python(object_id)
        except ValidationError:
            return None
        return rows.filter(pk=pk).first()

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show the row: its figures, its facts in groups, its panels."""
        obj = kwargs.get("obj")
        if obj is not None:
            context |= {
                "title": show.clip(str(obj)),
                "images": self.images(obj),
                "figures": self.figures(obj),
                "groups": self._groups(request, obj),
                "panels": self.panels(obj),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def images(self, obj: Any) -> list[str]:
        """Return the addresses of the pictures on top of the page."""
        return []

    def figures(self, obj: Any) -> list[tuple[str, str]]:
        """Return what a reader looks for first: its name and value."""
        return []

    def panels(self, obj: Any) -> list[Panel]:
        """Return the parts of the page below the facts."""
        return []

    def _groups(self, request: HttpRequest, obj: Any) -> list[tuple[str, list[tuple[str, str]]]]:
        return [
            (str(title or "Facts"), [self._fact(obj, name) for name in options["fields"]])
            for title, options in self.get_fieldsets(request, obj)
        ]

    def _fact(self, obj: Any, name: Any) -> tuple[str, str]:
        own = self._own(name)
        if own is not None:
            return own.short_description, own(obj)
        return show.label(name), show.field_value(obj, obj._meta.get_field(name))

    def _own(self, name: str) -> Any:
        """Return the method that shows `name`, rather than a field; None if there is none."""
        method = getattr(type(self), name, None)
        return getattr(self, name) if hasattr(method, "short_description") else None


class LoadRunAdmin(ReviewedRunAdmin, ReadOnlyAdmin):
    """Runs of `ingest`."""

    icon = "sync"
    actions = ("release", "discard")  # type: ignore[assignment]
    list_display = (
        "started_at",
        "platform",
        "status",
        "took",
        "read_count",
        "created_count",
        "updated_count",
        "unchanged_count",
        "rejected_count",
        "held_count",
        "files",
    )
    list_filter = (
        PlatformFilter,
        choice("status", LoadRun.Status.choices),
        ("started_at", DayRangeFilter),
    )
    sortable = ("started_at",)
    newest = "started_at"
    search_ids = ()
    search_names = ("source", "error")
    fieldsets = (
        ("Run", {"fields": ("platform", "status", "started_at", "finished_at", "took", "source")}),
        (
            "Records",
            {
                "fields": (
                    "read_count",
                    "created_count",
                    "updated_count",
                    "unchanged_count",
                    "rejected_count",
                    "held_count",
                    "price_point_count",
                    "quarantined",
                )
            },
        ),
        ("Outcome", {"fields": ("error", "warnings")}),
    )

    @admin.display(description="took")
    def took(self, obj: LoadRun) -> str:
        """Return how long the run lasted."""
        finished = obj.finished_at
        return show.figure(show.duration(finished - obj.started_at if finished else None))

    @admin.display(description="warnings")
    def warnings(self, obj: Any) -> str:
        """Return what a person should know of the run though it loaded its records."""
        return show.paragraphs("\n".join(run_warnings.of_run(obj)))

    @admin.display(description="source")
    def files(self, obj: LoadRun) -> str:
        """Return the files; more than the first few lines of them are on the run's page."""
        return show.clip(obj.source, 400)

    @admin.display(description="quarantined")
    def quarantined(self, obj: Any) -> str:
        """Return a link to what the run put into quarantine."""
        url = show.list_url(obj.quarantine.model, run__id__exact=obj.pk)
        return show.link(url, "Records that this run met last")


class QuarantineAdmin(ReviewedRecordAdmin, ReadOnlyAdmin):
    """Records that could not be loaded."""

    icon = "report"
    actions = ("release", "discard")  # type: ignore[assignment]
    nav_title = "Quarantine"
    empty_text = "Every record that was read could be loaded."
    empty_command = ""
    list_display = ("reason", "field", "platform", "external_id", "seen_count", "last_seen_at")
    list_filter = (PlatformFilter, ("last_seen_at", DayRangeFilter))
    sortable = ("last_seen_at", "seen_count")
    newest = "last_seen_at"
    search_names = ("reason", "field", "source")
    narrowed_by = ("run",)
    detail_related = ("run",)
    fieldsets = (
        ("Reason", {"fields": ("reason", "field")}),
        ("Record", {"fields": ("platform", "external_id", "source", "run", "content_hash")}),
        ("Seen", {"fields": ("first_seen_at", "last_seen_at", "seen_count")}),
    )

    def panels(self, obj: Any) -> list[Panel]:
        """Return the record as it was read."""
        note = f"At most {show.number(show.PAYLOAD_LIMIT)} bytes are shown."
        text = show.unpack(obj._meta.app_label, obj.payload)
        return [Panel("Payload", show.marked(text, obj.field), note)]


class RawPayloadAdmin(ReadOnlyAdmin):
    """Versions of what platforms returned."""

    icon = "data_object"
    list_display = ("external_id", "platform", "shape", "observed_at")
    sortable = ("observed_at",)
    newest = "observed_at"
    list_filter = (PlatformFilter, ("observed_at", DayRangeFilter))
    fieldsets = (
        ("Payload", {"fields": ("platform", "external_id", "shape")}),
        ("Version", {"fields": ("observed_at", "content_hash")}),
    )

    def panels(self, obj: Any) -> list[Panel]:
        """Return the payload and its context."""
        body = show.preformatted(show.unpack(obj._meta.app_label, obj.body, show.RAW_LIMIT))
        return [Panel("Content", body)]


class ExchangeRateAdmin(ReadOnlyAdmin):
    """Rates of days."""

    icon = "currency_exchange"
    empty_text = "Prices in other currencies cannot be converted without them. Load them:"
    empty_command = "python manage.py load_rates"
    list_display = ("currency", "rate_date", "price")
    list_filter = (("rate_date", DayRangeFilter),)
    sortable = ("rate_date",)
    newest = "rate_date"
    search_ids = ()
    search_names = ("currency",)
    fieldsets = (("Rate", {"fields": ("currency", "rate_date", "price")}),)

    @admin.display(description="rate")
    def price(self, obj: Any) -> str:
        """Return what one unit of the currency costs."""
        return show.figure(f"{show.quantity(obj.rate)} so'm for 1 {obj.currency}")


admin.site.unregister((User, Group))


@admin.register(User)
class UserAdmin(CheckedAdmin, DjangoUserAdmin, ModelAdmin):
    """People who may open the admin."""

    icon = "person"
    form = forms.UserChangeForm
    add_form = forms.UserCreationForm
    change_password_form = forms.AdminPasswordChangeForm

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let only superusers change superusers: whoever sets a password can log in with it."""
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let only superusers delete superusers."""
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_delete_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Let only superusers give rights that they could not give by a group."""
        fields = super().get_readonly_fields(request, obj)
        if request.user.is_superuser:
            return fields
        return (*fields, "is_superuser", "user_permissions")


@admin.register(Group)
class GroupAdmin(CheckedAdmin, auth.GroupAdmin, ModelAdmin):
    """Groups of people with the same permissions."""

    icon = "group"
