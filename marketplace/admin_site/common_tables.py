"""The pages of tables that several databases have: runs, quarantine, payloads, exchange rates."""

from typing import Any

from django.contrib import admin

from marketplace.admin_site import elements, formatting
from marketplace.admin_site.field_values import RAW_PAYLOAD_LIMIT, payload_text
from marketplace.admin_site.filters import DayRangeFilter, PlatformFilter, choice
from marketplace.admin_site.read_only import Panel, ReadOnlyAdmin
from marketplace.admin_site.review import ReviewMixin
from marketplace.humanize import duration
from marketplace.loading.models import LoadRun
from marketplace.loading.summary import warnings_of

#: Characters of a run's source in the list.
_SOURCE_LENGTH = 400


class LoadRunAdmin(ReviewMixin, ReadOnlyAdmin):
    """Runs of `ingest`, and of pushes."""

    kind_name = "run"
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
    time_column = "started_at"
    search_ids = ()
    search_names = ("source", "error")
    search_help_text = "Part of the source or of the error"
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
        """Return the duration of the run; a dash while it runs."""
        finished = obj.finished_at
        took = duration(finished - obj.started_at) if finished else formatting.DASH
        return elements.figure(took)

    @admin.display(description="warnings")
    def warnings(self, obj: Any) -> str:
        """Return the warnings of the run, one on each line."""
        return elements.paragraphs("\n".join(warnings_of(obj._meta.app_label, obj.pk)))

    @admin.display(description="source")
    def files(self, obj: LoadRun) -> str:
        """Return the names of the files, cut to a few lines."""
        return elements.clip(obj.source, _SOURCE_LENGTH)

    @admin.display(description="quarantined")
    def quarantined(self, obj: Any) -> str:
        """Return a link to the quarantined records of the run."""
        url = elements.list_url(obj.quarantine.model, run__id__exact=obj.pk)
        return elements.link(url, "Records last rejected in this run")


class QuarantineAdmin(ReviewMixin, ReadOnlyAdmin):
    """Records that could not be loaded."""

    kind_name = "record"
    icon = "report"
    actions = ("release", "discard")  # type: ignore[assignment]
    nav_title = "Quarantine"
    empty_text = "No record is in quarantine."
    empty_command = ""
    list_display = ("reason", "field", "platform", "external_id", "seen_count", "last_seen_at")
    list_filter = (PlatformFilter, ("last_seen_at", DayRangeFilter))
    sortable = ("last_seen_at", "seen_count")
    time_column = "last_seen_at"
    search_names = ("reason", "field", "source")
    search_help_text = "Part of the reason, field or source, or the id"
    related_filters = ("run",)
    detail_related = ("run",)
    fieldsets = (
        ("Reason", {"fields": ("reason", "field")}),
        ("Record", {"fields": ("platform", "external_id", "source", "run", "content_hash")}),
        ("Occurrences", {"fields": ("first_seen_at", "last_seen_at", "seen_count")}),
    )

    def panels(self, obj: Any) -> list[Panel]:
        """Return the payload of the record, with the invalid field highlighted."""
        text = payload_text(obj._meta.app_label, obj.payload)
        return [Panel("Payload", elements.highlighted_json(text, obj.field))]


class RawPayloadAdmin(ReadOnlyAdmin):
    """Payloads as the platforms returned them, one row for each version."""

    icon = "data_object"
    list_display = ("external_id", "platform", "shape", "observed_at")
    search_help_text = "The id"
    sortable = ("observed_at",)
    time_column = "observed_at"
    list_filter = (PlatformFilter, ("observed_at", DayRangeFilter))
    fieldsets = (
        ("Payload", {"fields": ("platform", "external_id", "shape")}),
        ("Version", {"fields": ("observed_at", "content_hash")}),
    )

    def panels(self, obj: Any) -> list[Panel]:
        """Return the payload."""
        text = payload_text(obj._meta.app_label, obj.body, RAW_PAYLOAD_LIMIT)
        return [Panel("Content", elements.preformatted(text))]


class ExchangeRateAdmin(ReadOnlyAdmin):
    """Daily exchange rates."""

    icon = "currency_exchange"
    empty_text = (
        "Prices in other currencies cannot be converted without exchange rates. To load them, run:"
    )
    empty_command = "python manage.py load_rates FILE"
    list_display = ("currency", "rate_date", "price")
    list_filter = (("rate_date", DayRangeFilter),)
    sortable = ("rate_date",)
    time_column = "rate_date"
    search_ids = ()
    search_names = ("currency",)
    search_help_text = "Part of the currency code"
    fieldsets = (("Rate", {"fields": ("currency", "rate_date", "price")}),)

    @admin.display(description="rate")
    def price(self, obj: Any) -> str:
        """Return the price of one unit of the currency."""
        return elements.figure(f"{formatting.quantity(obj.rate)} so'm for 1 {obj.currency}")
