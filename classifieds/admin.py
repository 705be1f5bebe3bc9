"""The pages of the classifieds database."""

from django.contrib import admin

from classifieds.models import (
    Category,
    ExchangeRate,
    Listing,
    ListingEvent,
    LoadRun,
    QuarantinedRecord,
    RawPayload,
    Seller,
)
from classifieds.places import CITIES, DISTRICTS
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

#: Pictures and events that a listing's page shows.
SHOWN_IMAGES, SHOWN_EVENTS = 6, 100

_IDENTITY = ("platform", "external_id")
_LIFECYCLE = ("first_seen_at", "last_seen_at", "updated_at")


@admin.register(Listing)
class ListingAdmin(base.ReadOnlyAdmin):
    """Classified ads."""

    icon = "campaign"
    list_display = (
        "name",
        "amount",
        "status",
        "city",
        "category_path",
        "condition",
        "posted_at",
    )
    list_filter = (
        PlatformFilter,
        choice("status", Listing.Status.choices),
        choice("city", [(city.name, city.name) for city in CITIES]),
        choice("district_canonical", [(name, name) for name in DISTRICTS]),
        text("category_path", "startswith", "category (transport/cars)"),
        ("price", RangeFilter),
        CurrencyFilter,
        choice("condition", Listing.Condition.choices),
        ("year", RangeFilter),
        ("posted_at", DayRangeFilter),
    )
    sortable = ("amount", "posted_at")
    amounts = ("price",)
    search_vector = "search_vector"
    search_help_text = "Words of the title or text, or the id"
    narrowed_by = ("category", "seller")
    detail_related = ("category", "seller")
    fieldsets = (
        ("Ad", {"fields": ("title", "url", *_IDENTITY, "status")}),
        (
            "Seller and category",
            {"fields": ("seller", "similar", "category_name", "category_path", "category")},
        ),
        (
            "Place",
            {
                "fields": (
                    "city",
                    "region",
                    "district_canonical",
                    "district",
                    "location",
                    "coordinates",
                )
            },
        ),
        ("Price", {"fields": ("amount", "is_negotiable", "is_price_on_request", "currency_text")}),
        (
            "Particulars",
            {
                "fields": (
                    "condition",
                    "condition_text",
                    "brand",
                    "model",
                    "year",
                    "mileage",
                    "area_sqm",
                    "rooms",
                )
            },
        ),
        (
            "Life of the ad",
            {"fields": ("posted_at", "bumped_at", "expires_at", "sold_at", *_LIFECYCLE)},
        ),
    )

    @admin.display(description="title")
    def name(self, obj: Listing) -> str:
        """Return the title, or the id of an ad without one."""
        return show.clip(obj.title or f"Ad {obj.external_id}", 80)

    @admin.display(description="price", ordering="price")
    def amount(self, obj: Listing) -> str:
        """Return the price; where there is none, whether it is told on request."""
        if obj.price is None and obj.is_price_on_request:
            return "On request"
        return show.figure(show.money(obj.price, obj.currency))

    @admin.display(description="coordinates")
    def coordinates(self, obj: Listing) -> str:
        """Return the place with a link to a map."""
        if obj.latitude is None or obj.longitude is None:
            return show.DASH
        place = f"{obj.latitude:f}, {obj.longitude:f}"
        return show.out_link(
            "https://www.openstreetmap.org/"
            f"?mlat={obj.latitude:f}&mlon={obj.longitude:f}#map=15/{obj.latitude:f}/{obj.longitude:f}",
            f"{place} on OpenStreetMap",
        )

    @admin.display(description="more")
    def similar(self, obj: Listing) -> str:
        """Return a link to the seller's other ads."""
        if obj.seller is None:
            return show.DASH
        url = show.list_url(Listing, seller__id__exact=obj.seller.pk)
        return show.link(url, "All ads of this seller")

    def images(self, obj: Listing) -> list[str]:
        """Return the first pictures."""
        return show.web_urls(obj.images)[:SHOWN_IMAGES]

    def figures(self, obj: Listing) -> list[tuple[str, str]]:
        """Return the price, the state and the place."""
        return [
            ("Price", self.amount(obj)),
            ("Status", show.badge(obj.get_status_display()) if obj.status else show.DASH),
            ("City", obj.city or show.DASH),
            ("Posted", show.figure(show.format_time(obj.posted_at))),
        ]

    def panels(self, obj: Listing) -> list[base.Panel]:
        """Return the text, the events and the parameters."""
        events = obj.events.order_by("-recorded_at", "-pk")[:SHOWN_EVENTS]
        rows = [
            (show.format_time(event.recorded_at), event.get_kind_display(), *_change(event))
            for event in events
        ]
        return [
            base.Panel("Text of the ad", show.paragraphs(obj.description)),
            base.Panel("Events", show.table(("When", "What", "Before", "After"), rows)),
            base.Panel("Parameters", show.as_json(obj.attributes), is_folded=True),
        ]


@admin.register(ListingEvent)
class ListingEventAdmin(base.ReadOnlyAdmin):
    """Changes of ads."""

    icon = "history"
    list_display = ("recorded_at", "kind", "listing", "before", "after")
    list_filter = (
        choice("kind", ListingEvent.Kind.choices),
        choice("new_status", Listing.Status.choices),
        ("recorded_at", DayRangeFilter),
    )
    list_select_related = ("listing",)
    sortable = ("recorded_at",)
    newest = "recorded_at"
    search_ids = ("listing__external_id",)
    search_help_text = "The ad's id"
    detail_related = ("listing",)
    fieldsets = (
        ("Event", {"fields": ("recorded_at", "kind", "listing")}),
        ("Change", {"fields": ("before", "after")}),
    )

    @admin.display(description="before")
    def before(self, obj: ListingEvent) -> str:
        """Return the old price or status."""
        return _change(obj)[0]

    @admin.display(description="after")
    def after(self, obj: ListingEvent) -> str:
        """Return the new price or status."""
        return _change(obj)[1]


@admin.register(Category)
class CategoryAdmin(base.ReadOnlyAdmin):
    """Nodes of the category trees."""

    icon = "account_tree"
    list_display = ("name", "platform", "level", "path", "parent", "last_seen_at")
    list_filter = (PlatformFilter, ("level", RangeFilter))
    list_select_related = ("parent",)
    sortable = ("name", "level")
    search_names = ("name", "path")
    detail_related = ("parent",)
    fieldsets = (
        ("Category", {"fields": ("name", "path", "parent", "level", "listings")}),
        ("Identification", {"fields": _IDENTITY}),
        ("Seen", {"fields": _LIFECYCLE}),
    )

    @admin.display(description="listings")
    def listings(self, obj: Category) -> str:
        """Return a link to the category's ads."""
        return show.link(show.list_url(Listing, category__id__exact=obj.pk), "Its ads")


@admin.register(Seller)
class SellerAdmin(base.ReadOnlyAdmin):
    """People and businesses that post ads."""

    icon = "storefront"
    list_display = ("title", "platform", "is_business", "registered_at", "last_seen_at")
    list_filter = (PlatformFilter, choice("is_business"), ("registered_at", DayRangeFilter))
    sortable = ("registered_at",)
    search_names = ("name",)
    search_help_text = "A part of the name, or the id"
    fieldsets = (
        ("Seller", {"fields": ("name", "is_business", "registered_at", "listings")}),
        ("Identification", {"fields": _IDENTITY}),
        ("Seen", {"fields": _LIFECYCLE}),
    )

    @admin.display(description="name")
    def title(self, obj: Seller) -> str:
        """Return the name, or the id of a seller without one."""
        return show.clip(obj.name or f"Seller {obj.external_id}", 60)

    @admin.display(description="listings")
    def listings(self, obj: Seller) -> str:
        """Return a link to the seller's ads."""
        return show.link(show.list_url(Listing, seller__id__exact=obj.pk), "Its ads")

    def panels(self, obj: Seller) -> list[base.Panel]:
        """Return what has no column of its own."""
        return [base.Panel("Attributes", show.as_json(obj.attributes), is_folded=True)]


admin.site.register(LoadRun, base.LoadRunAdmin)
admin.site.register(QuarantinedRecord, base.QuarantineAdmin)
admin.site.register(RawPayload, base.RawPayloadAdmin)
admin.site.register(ExchangeRate, base.ExchangeRateAdmin)


def _change(event: ListingEvent) -> tuple[str, str]:
    """Return what the event changed: before and after."""
    if event.kind == ListingEvent.Kind.STATUS:
        return event.old_status or show.DASH, event.new_status or show.DASH
    before = show.money(event.old_price, event.old_currency)
    return before, show.money(event.new_price, event.new_currency)
