"""The pages of the procurement database, in the order of the navigation."""

from decimal import Decimal
from typing import Any

from django.contrib import admin

from marketplace.admin_site import elements, formatting
from marketplace.admin_site.common_tables import ExchangeRateAdmin, LoadRunAdmin, QuarantineAdmin
from marketplace.admin_site.filters import (
    CurrencyFilter,
    DayRangeFilter,
    PlatformFilter,
    RangeFilter,
    choice,
    text,
)
from marketplace.admin_site.read_only import IDENTITY, LIFECYCLE, Panel, ReadOnlyAdmin
from procurement.models import (
    ExchangeRate,
    LoadRun,
    Lot,
    LotEvent,
    LotItem,
    Organization,
    QuarantinedRecord,
    Reference,
)

#: Items and events that the page of a lot shows at most. A link leads to the other items.
ITEM_LIMIT, EVENT_LIMIT = 100, 50


@admin.register(Lot)
class LotAdmin(ReadOnlyAdmin):
    """Lots of public purchases."""

    icon = "gavel"
    list_display = (
        "number",
        "name",
        "state",
        "cost",
        "savings",
        "day",
        "customer",
    )
    list_filter = (
        PlatformFilter,
        choice("lot_type", Lot.Type.choices),
        choice("status", Lot.Status.choices),
        choice("is_budget"),
        ("start_cost", RangeFilter),
        CurrencyFilter,
        ("savings_percent", RangeFilter),
        text("region"),
        ("deal_date", DayRangeFilter),
    )
    list_select_related = ("customer",)
    sortable = ("cost", "savings", "day")
    amounts = ("start_cost",)
    search_vector = "search_vector"
    search_help_text = "Words of the title, the number, or the id"
    related_filters = ("customer", "provider")
    detail_related = ("customer", "provider")
    fieldsets = (
        (
            "Lot",
            {
                "fields": (
                    "title",
                    "display_no",
                    "lot_type",
                    "status",
                    "category_name",
                    "category_code",
                    "region",
                    "is_budget",
                    "url",
                )
            },
        ),
        (
            "Parties",
            {
                "fields": (
                    "customer",
                    "provider",
                    "participants_count",
                    "beneficiary",
                    "founder",
                )
            },
        ),
        ("Dates", {"fields": ("starts_at", "ends_at", "deal_date")}),
        (
            "Deal and treasury",
            {
                "fields": (
                    "deal_id",
                    "kazna_status",
                    "kazna_status_id",
                    "payment_status",
                    "currency_text",
                )
            },
        ),
        ("Identification", {"fields": (*IDENTITY, *LIFECYCLE)}),
    )

    @admin.display(description="number")
    def number(self, obj: Lot) -> str:
        """Return the number that documents of the lot show, or the id."""
        return obj.display_no or obj.external_id

    @admin.display(description="title")
    def name(self, obj: Lot) -> str:
        """Return the title, or the category of a lot without one."""
        return elements.clip(obj.title or obj.category_name or formatting.DASH, 70)

    @admin.display(description="status")
    def state(self, obj: Lot) -> str:
        """Return the status, with the type of the lot below it."""
        status = elements.badge(obj.get_status_display()) if obj.status else formatting.DASH
        return elements.two_lines(status, obj.get_lot_type_display() if obj.lot_type else "")

    @admin.display(description="deal date", ordering="deal_date")
    def day(self, obj: Lot) -> str:
        """Return the date of the deal."""
        return elements.figure(formatting.format_time(obj.deal_date).split()[0])

    @admin.display(description="start and deal cost", ordering="start_cost")
    def cost(self, obj: Lot) -> str:
        """Return the start cost, with the cost of the deal below it."""
        deal = f"deal {formatting.money(obj.deal_cost, obj.currency)}" if obj.deal_cost else ""
        return elements.two_lines(
            elements.figure(formatting.money(obj.start_cost, obj.currency)), deal
        )

    @admin.display(description="savings", ordering="savings_percent")
    def savings(self, obj: Lot) -> str:
        """Return the savings in percent."""
        return elements.figure(formatting.percent(obj.savings_percent))

    def figures(self, obj: Lot) -> list[tuple[str, str]]:
        """Return the costs and the savings."""
        saved = formatting.money(obj.savings_amount, obj.currency)
        share = formatting.percent(obj.savings_percent)
        return [
            ("Start cost", elements.figure(formatting.money(obj.start_cost, obj.currency))),
            ("Deal cost", elements.figure(formatting.money(obj.deal_cost, obj.currency))),
            ("Savings", elements.figure(saved)),
            ("Savings in percent", elements.figure(share)),
        ]

    def panels(self, obj: Lot) -> list[Panel]:
        """Return the items, the audit trail and the latest payload."""
        events = obj.events.defer("payload").order_by("-recorded_at", "-pk")[:EVENT_LIMIT]
        rows = [row for event in events for row in _event_rows(event)]
        headers = ("Time", "Event", "Column", "Before", "After")
        return [
            _item_panel(obj),
            Panel("Audit trail", elements.table(headers, rows)),
            Panel("Raw data", elements.as_json(obj.raw_data), is_folded=True),
        ]


@admin.register(LotItem)
class LotItemAdmin(ReadOnlyAdmin):
    """Lines of lots."""

    icon = "list_alt"
    list_display = (
        "name",
        "lot",
        "quantity",
        "measure_name",
        "price",
        "cost",
        "country_name",
    )
    list_filter = (
        PlatformFilter,
        ("price", RangeFilter),
        ("cost", RangeFilter),
        CurrencyFilter,
        ("last_seen_at", DayRangeFilter),
    )
    list_select_related = ("lot",)
    sortable = ("price", "cost")
    amounts = ("price", "cost")
    search_vector = "search_vector"
    search_help_text = "Words of the product, or the item's id"
    related_filters = ("lot",)
    detail_related = ("lot",)
    fieldsets = (
        ("Item", {"fields": ("product_name", "lot", "order_num", "country_name")}),
        ("Cost", {"fields": ("quantity", "measure_name", "price", "cost", "currency_text")}),
        ("Identification", {"fields": (*IDENTITY, *LIFECYCLE)}),
    )

    @admin.display(description="product")
    def name(self, obj: LotItem) -> str:
        """Return the product's name, or the id of an item without one."""
        return elements.clip(obj.product_name or f"Item {obj.external_id}", 80)

    def panels(self, obj: LotItem) -> list[Panel]:
        """Return the description and the properties."""
        return [
            Panel("Description", elements.paragraphs(obj.description)),
            Panel("Properties", elements.as_json(obj.properties)),
        ]


@admin.register(Organization)
class OrganizationAdmin(ReadOnlyAdmin):
    """Customers and providers."""

    icon = "account_balance"
    list_display = ("title", "inn", "platform", "region", "is_customer", "is_provider")
    list_filter = (PlatformFilter, choice("is_customer"), choice("is_provider"), text("region"))
    search_ids = ("inn", "external_id")
    search_names = ("name",)
    search_help_text = "Part of the name, the tax number, or the id"
    fieldsets = (
        ("Organization", {"fields": ("name", "inn", "region")}),
        ("Roles", {"fields": ("is_customer", "purchases", "is_provider", "sales")}),
        ("Identification", {"fields": (*IDENTITY, *LIFECYCLE)}),
    )

    @admin.display(description="name")
    def title(self, obj: Organization) -> str:
        """Return the name, or the id of an organization without one."""
        return elements.clip(obj.name or f"Organization {obj.external_id}", 80)

    @admin.display(description="purchases")
    def purchases(self, obj: Organization) -> str:
        """Return a link to the lots that it bought."""
        return elements.link(elements.list_url(Lot, customer__id__exact=obj.pk), "Lots as customer")

    @admin.display(description="sales")
    def sales(self, obj: Organization) -> str:
        """Return a link to the lots that it won."""
        return elements.link(elements.list_url(Lot, provider__id__exact=obj.pk), "Lots as provider")


@admin.register(LotEvent)
class LotEventAdmin(ReadOnlyAdmin):
    """The audit trail."""

    icon = "history"
    nav_title = "Audit trail"
    list_display = ("recorded_at", "kind", "lot", "columns", "created_at")
    list_filter = (choice("kind", LotEvent.Kind.choices), ("recorded_at", DayRangeFilter))
    list_select_related = ("lot",)
    sortable = ("recorded_at",)
    time_column = "recorded_at"
    search_ids = ("lot__external_id", "lot__display_no")
    search_help_text = "The lot's number or id"
    detail_related = ("lot",)
    fieldsets = (("Event", {"fields": ("recorded_at", "kind", "lot", "created_at")}),)
    list_large_fields = ("changes",)

    @admin.display(description="changed columns")
    def columns(self, obj: LotEvent) -> str:
        """Return the names of the columns that changed."""
        return elements.clip(", ".join(obj.changes) or formatting.DASH, 80)

    def panels(self, obj: LotEvent) -> list[Panel]:
        """Return the changed columns and the payload that caused the change."""
        headers = ("Column", "Before", "After")
        rows = [row[2:] for row in _event_rows(obj)]
        return [
            Panel("Changes", elements.table(headers, rows)),
            Panel("Payload", elements.as_json(obj.payload), is_folded=True),
        ]


@admin.register(Reference)
class ReferenceAdmin(ReadOnlyAdmin):
    """Reference lists of the platforms: categories and regions."""

    icon = "book_2"
    list_display = ("code", "kind", "name", "platform", "last_seen_at")
    list_filter = (PlatformFilter, choice("kind", (("category", "Category"), ("region", "Region"))))
    sortable = ("code", "name")
    search_ids = ("code", "external_id")
    search_names = ("name",)
    search_help_text = "Part of the name, the code, or the id"
    fieldsets = (
        ("Entry", {"fields": ("kind", "code", "name")}),
        ("Identification", {"fields": (*IDENTITY, *LIFECYCLE)}),
    )


admin.site.register(LoadRun, LoadRunAdmin)
admin.site.register(QuarantinedRecord, QuarantineAdmin)
admin.site.register(ExchangeRate, ExchangeRateAdmin)


def _item_panel(obj: Lot) -> Panel:
    shown = list(obj.items.defer("search_vector").order_by("order_num", "pk")[: ITEM_LIMIT + 1])
    note: str = ""
    if len(shown) > ITEM_LIMIT:
        url = elements.list_url(LotItem, lot__id__exact=obj.pk)
        note = elements.link(url, f"Only the first {ITEM_LIMIT} items are shown. See all items")
    headers = ("No.", "Product", "Quantity", "Unit", "Price", "Cost", "Country")
    rows = [
        (
            item.order_num,
            elements.admin_link(item, elements.clip(item.product_name or item.external_id, 80)),
            formatting.quantity(item.quantity),
            item.measure_name or formatting.DASH,
            formatting.money(item.price, item.currency),
            formatting.money(item.cost, item.currency),
            item.country_name or formatting.DASH,
        )
        for item in shown[:ITEM_LIMIT]
    ]
    return Panel("Items", elements.table(headers, rows, ("Quantity", "Price", "Cost")), note)


def _event_rows(event: LotEvent) -> list[tuple[Any, ...]]:
    """Return a row for each changed column: time, event, column, before, after."""
    time, event_name = formatting.format_time(event.recorded_at), event.get_kind_display()
    if not event.changes:
        return [(time, event_name, formatting.DASH, formatting.DASH, formatting.DASH)]
    return [
        (
            time,
            event_name,
            formatting.label(column),
            *(elements.clip(_text(column, value), 80) for value in pair),
        )
        for column, pair in event.changes.items()
    ]


def _text(column: str, value: Any) -> str:
    if value is None:
        return formatting.DASH
    return formatting.money(Decimal(str(value)), None) if column.endswith("_cost") else str(value)
