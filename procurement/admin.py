"""The pages of the procurement database."""

from decimal import Decimal
from typing import Any

from django.contrib import admin

from marketplace import admin as base
from marketplace.admin_site import formatting as show
from marketplace.admin_site.filters import (
    CurrencyFilter,
    DayRangeFilter,
    PlatformFilter,
    RangeFilter,
    choice,
    text,
)
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

#: Items and events that a lot's page shows; the rest is a link away.
SHOWN_ITEMS, SHOWN_EVENTS = 100, 50

_IDENTITY = ("platform", "external_id")
_LIFECYCLE = ("first_seen_at", "last_seen_at", "updated_at")


@admin.register(Lot)
class LotAdmin(base.ReadOnlyAdmin):
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
    narrowed_by = ("customer", "provider")
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
        ("Identification", {"fields": (*_IDENTITY, *_LIFECYCLE)}),
    )

    @admin.display(description="number")
    def number(self, obj: Lot) -> str:
        """Return the number on documents, or the id."""
        return obj.display_no or obj.external_id

    @admin.display(description="title")
    def name(self, obj: Lot) -> str:
        """Return the title, or the category of a lot without one."""
        return show.clip(obj.title or obj.category_name or show.DASH, 70)

    @admin.display(description="status")
    def state(self, obj: Lot) -> str:
        """Return the status and how the purchase is made."""
        status = show.badge(obj.get_status_display()) if obj.status else show.DASH
        return show.two_lines(status, obj.get_lot_type_display() if obj.lot_type else "")

    @admin.display(description="deal", ordering="deal_date")
    def day(self, obj: Lot) -> str:
        """Return the day of the deal."""
        return show.figure(show.format_time(obj.deal_date).split()[0])

    @admin.display(description="start and deal cost", ordering="start_cost")
    def cost(self, obj: Lot) -> str:
        """Return what the customer was ready to pay, and what the contract costs."""
        deal = f"deal {show.money(obj.deal_cost, obj.currency)}" if obj.deal_cost else ""
        return show.two_lines(show.figure(show.money(obj.start_cost, obj.currency)), deal)

    @admin.display(description="savings", ordering="savings_percent")
    def savings(self, obj: Lot) -> str:
        """Return the savings in percent."""
        return show.figure(show.percent(obj.savings_percent))

    def figures(self, obj: Lot) -> list[tuple[str, str]]:
        """Return the costs and what was saved."""
        saved = show.money(obj.savings_amount, obj.currency)
        share = show.percent(obj.savings_percent)
        return [
            ("Start cost", show.figure(show.money(obj.start_cost, obj.currency))),
            ("Deal cost", show.figure(show.money(obj.deal_cost, obj.currency))),
            ("Savings", show.figure(saved)),
            ("Savings, percent of start", show.figure(share)),
        ]

    def panels(self, obj: Lot) -> list[base.Panel]:
        """Return the items, the audit trail and the newest payload."""
        events = obj.events.defer("payload").order_by("-recorded_at", "-pk")[:SHOWN_EVENTS]
        rows = [row for event in events for row in _event_rows(event)]
        headers = ("When", "Event", "Column", "Before", "After")
        return [
            _item_panel(obj),
            base.Panel("Audit trail", show.table(headers, rows)),
            base.Panel("Raw data", show.as_json(obj.raw_data), is_folded=True),
        ]


@admin.register(LotItem)
class LotItemAdmin(base.ReadOnlyAdmin):
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
    narrowed_by = ("lot",)
    detail_related = ("lot",)
    fieldsets = (
        ("Item", {"fields": ("product_name", "lot", "order_num", "country_name")}),
        ("Cost", {"fields": ("quantity", "measure_name", "price", "cost", "currency_text")}),
        ("Identification", {"fields": (*_IDENTITY, *_LIFECYCLE)}),
    )

    @admin.display(description="product")
    def name(self, obj: LotItem) -> str:
        """Return the product's name, or the id of an item without one."""
        return show.clip(obj.product_name or f"Item {obj.external_id}", 80)

    def panels(self, obj: LotItem) -> list[base.Panel]:
        """Return the text and the properties."""
        return [
            base.Panel("Description", show.paragraphs(obj.description)),
            base.Panel("Properties", show.as_json(obj.properties)),
        ]


@admin.register(Organization)
class OrganizationAdmin(base.ReadOnlyAdmin):
    """Customers and providers."""

    icon = "account_balance"
    list_display = ("title", "inn", "platform", "region", "is_customer", "is_provider")
    list_filter = (PlatformFilter, choice("is_customer"), choice("is_provider"), text("region"))
    search_ids = ("inn", "external_id")
    search_names = ("name",)
    search_help_text = "A part of the name, the tax number, or the id"
    fieldsets = (
        ("Organization", {"fields": ("name", "inn", "region")}),
        ("Roles", {"fields": ("is_customer", "purchases", "is_provider", "sales")}),
        ("Identification", {"fields": (*_IDENTITY, *_LIFECYCLE)}),
    )

    @admin.display(description="name")
    def title(self, obj: Organization) -> str:
        """Return the name, or the id of an organization without one."""
        return show.clip(obj.name or f"Organization {obj.external_id}", 80)

    @admin.display(description="purchases")
    def purchases(self, obj: Organization) -> str:
        """Return a link to the lots it bought."""
        return show.link(show.list_url(Lot, customer__id__exact=obj.pk), "Lots as customer")

    @admin.display(description="sales")
    def sales(self, obj: Organization) -> str:
        """Return a link to the lots it won."""
        return show.link(show.list_url(Lot, provider__id__exact=obj.pk), "Lots as provider")


@admin.register(LotEvent)
class LotEventAdmin(base.ReadOnlyAdmin):
    """The audit trail."""

    icon = "history"
    nav_title = "Audit trail"
    list_display = ("recorded_at", "kind", "lot", "columns", "created_at")
    list_filter = (choice("kind", LotEvent.Kind.choices), ("recorded_at", DayRangeFilter))
    list_select_related = ("lot",)
    sortable = ("recorded_at",)
    newest = "recorded_at"
    search_ids = ("lot__external_id", "lot__display_no")
    search_help_text = "The lot's number or id"
    detail_related = ("lot",)
    fieldsets = (("Event", {"fields": ("recorded_at", "kind", "lot", "created_at")}),)
    shown_heavy = ("changes",)

    @admin.display(description="changed columns")
    def columns(self, obj: LotEvent) -> str:
        """Return the names of the columns that changed."""
        return show.clip(", ".join(obj.changes) or show.DASH, 80)

    def panels(self, obj: LotEvent) -> list[base.Panel]:
        """Return the change and the payload that said so."""
        headers = ("Column", "Before", "After")
        rows = [row[2:] for row in _event_rows(obj)]
        return [
            base.Panel("Changes", show.table(headers, rows)),
            base.Panel("Payload", show.as_json(obj.payload), is_folded=True),
        ]


@admin.register(Reference)
class ReferenceAdmin(base.ReadOnlyAdmin):
    """The platforms' own lists."""

    icon = "book_2"
    list_display = ("code", "kind", "name", "platform", "last_seen_at")
    list_filter = (PlatformFilter, choice("kind", (("category", "Category"), ("region", "Region"))))
    sortable = ("code", "name")
    search_ids = ("code", "external_id")
    search_names = ("name",)
    fieldsets = (
        ("Entry", {"fields": ("kind", "code", "name")}),
        ("Identification", {"fields": (*_IDENTITY, *_LIFECYCLE)}),
    )


admin.site.register(LoadRun, base.LoadRunAdmin)
admin.site.register(QuarantinedRecord, base.QuarantineAdmin)
admin.site.register(ExchangeRate, base.ExchangeRateAdmin)


def _item_panel(obj: Lot) -> base.Panel:
    shown = list(obj.items.defer("search_vector").order_by("order_num", "pk")[: SHOWN_ITEMS + 1])
    note: str = ""
    if len(shown) > SHOWN_ITEMS:
        url = show.list_url(LotItem, lot__id__exact=obj.pk)
        note = show.link(url, f"The first {SHOWN_ITEMS} are shown. See all items")
    headers = ("No.", "Product", "Quantity", "Unit", "Price", "Cost", "Country")
    rows = [
        (
            item.order_num,
            show.admin_link(item, show.clip(item.product_name or item.external_id, 80)),
            show.quantity(item.quantity),
            item.measure_name or show.DASH,
            show.money(item.price, item.currency),
            show.money(item.cost, item.currency),
            item.country_name or show.DASH,
        )
        for item in shown[:SHOWN_ITEMS]
    ]
    return base.Panel("Items", show.table(headers, rows, ("Quantity", "Price", "Cost")), note)


def _event_rows(event: LotEvent) -> list[tuple[Any, ...]]:
    """Return a row a changed column: when, what, column, before, after."""
    when, what = show.format_time(event.recorded_at), event.get_kind_display()
    if not event.changes:
        return [(when, what, show.DASH, show.DASH, show.DASH)]
    return [
        (when, what, show.label(column), *(show.clip(_text(column, value), 80) for value in pair))
        for column, pair in event.changes.items()
    ]


def _text(column: str, value: Any) -> str:
    if value is None:
        return show.DASH
    return show.money(Decimal(str(value)), None) if column.endswith("_cost") else str(value)
