"""The pages of the classifieds database, in the order of the navigation."""

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
from marketplace.admin_site import elements, formatting
from marketplace.admin_site.common_tables import (
    ExchangeRateAdmin,
    LoadRunAdmin,
    QuarantineAdmin,
    RawPayloadAdmin,
)
from marketplace.admin_site.filters import (
    CurrencyFilter,
    DayRangeFilter,
    PlatformFilter,
    RangeFilter,
    choice,
    text,
)
from marketplace.admin_site.read_only import IDENTITY, LIFECYCLE, Panel, ReadOnlyAdmin

#: Pictures and events that the page of a listing shows at most.
IMAGE_LIMIT, EVENT_LIMIT = 6, 100


@admin.register(Listing)
class ListingAdmin(ReadOnlyAdmin):
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
    related_filters = ("category", "seller")
    detail_related = ("category", "seller")
    fieldsets = (
        ("Ad", {"fields": ("title", "url", *IDENTITY, "status")}),
        (
            "Seller and category",
            {"fields": ("seller", "similar", "category_name", "category_path", "category")},
        ),
        (
            "Location",
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
            "Details",
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
            "Timestamps",
            {"fields": ("posted_at", "bumped_at", "expires_at", "sold_at", *LIFECYCLE)},
        ),
    )

    @admin.display(description="title")
    def name(self, obj: Listing) -> str:
        """Return the title, or the id of an ad without one."""
        return elements.clip(obj.title or f"Ad {obj.external_id}", 80)

    @admin.display(description="price", ordering="price")
    def amount(self, obj: Listing) -> str:
        """Return the price, or that it is available on request."""
        if obj.price is None and obj.is_price_on_request:
            return "On request"
        return elements.figure(formatting.money(obj.price, obj.currency))

    @admin.display(description="coordinates")
    def coordinates(self, obj: Listing) -> str:
        """Return the coordinates with a link to a map."""
        if obj.latitude is None or obj.longitude is None:
            return formatting.DASH
        coordinates = f"{obj.latitude:f}, {obj.longitude:f}"
        return elements.external_link(
            "https://www.openstreetmap.org/"
            f"?mlat={obj.latitude:f}&mlon={obj.longitude:f}#map=15/{obj.latitude:f}/{obj.longitude:f}",
            f"{coordinates} on OpenStreetMap",
        )

    @admin.display(description="more ads")
    def similar(self, obj: Listing) -> str:
        """Return a link to all ads of the seller."""
        if obj.seller is None:
            return formatting.DASH
        url = elements.list_url(Listing, seller__id__exact=obj.seller.pk)
        return elements.link(url, "All ads of this seller")

    def images(self, obj: Listing) -> list[str]:
        """Return the URLs of the first pictures."""
        return elements.web_urls(obj.images)[:IMAGE_LIMIT]

    def figures(self, obj: Listing) -> list[tuple[str, str]]:
        """Return the price, the status, the city and the date."""
        return [
            ("Price", self.amount(obj)),
            ("Status", elements.badge(obj.get_status_display()) if obj.status else formatting.DASH),
            ("City", obj.city or formatting.DASH),
            ("Posted", elements.figure(formatting.format_time(obj.posted_at))),
        ]

    def panels(self, obj: Listing) -> list[Panel]:
        """Return the description, the events and the attributes."""
        events = obj.events.order_by("-recorded_at", "-pk")[:EVENT_LIMIT]
        rows = [
            (formatting.format_time(event.recorded_at), event.get_kind_display(), *_change(event))
            for event in events
        ]
        return [
            Panel("Description", elements.paragraphs(obj.description)),
            Panel("Events", elements.table(("Time", "Event", "Before", "After"), rows)),
            Panel("Attributes", elements.as_json(obj.attributes), is_folded=True),
        ]


@admin.register(ListingEvent)
class ListingEventAdmin(ReadOnlyAdmin):
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
    time_column = "recorded_at"
    search_ids = ("listing__external_id",)
    search_help_text = "Id of the ad"
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
class CategoryAdmin(ReadOnlyAdmin):
    """Nodes of the category trees."""

    icon = "account_tree"
    list_display = ("name", "platform", "level", "path", "parent", "last_seen_at")
    list_filter = (PlatformFilter, ("level", RangeFilter))
    list_select_related = ("parent",)
    sortable = ("name", "level")
    search_names = ("name", "path")
    search_help_text = "Part of the name or path, or the id"
    detail_related = ("parent",)
    fieldsets = (
        ("Category", {"fields": ("name", "path", "parent", "level", "listings")}),
        ("Identification", {"fields": IDENTITY}),
        ("Timestamps", {"fields": LIFECYCLE}),
    )

    @admin.display(description="listings")
    def listings(self, obj: Category) -> str:
        """Return a link to the ads of the category."""
        url = elements.list_url(Listing, category__id__exact=obj.pk)
        return elements.link(url, "Ads in this category")


@admin.register(Seller)
class SellerAdmin(ReadOnlyAdmin):
    """People and businesses that post ads."""

    icon = "storefront"
    list_display = ("title", "platform", "is_business", "registered_at", "last_seen_at")
    list_filter = (PlatformFilter, choice("is_business"), ("registered_at", DayRangeFilter))
    sortable = ("registered_at",)
    search_names = ("name",)
    search_help_text = "Part of the name, or the id"
    fieldsets = (
        ("Seller", {"fields": ("name", "is_business", "registered_at", "listings")}),
        ("Identification", {"fields": IDENTITY}),
        ("Timestamps", {"fields": LIFECYCLE}),
    )

    @admin.display(description="name")
    def title(self, obj: Seller) -> str:
        """Return the name, or the id of a seller without one."""
        return elements.clip(obj.name or f"Seller {obj.external_id}", 60)

    @admin.display(description="listings")
    def listings(self, obj: Seller) -> str:
        """Return a link to the ads of the seller."""
        url = elements.list_url(Listing, seller__id__exact=obj.pk)
        return elements.link(url, "Ads of this seller")

    def panels(self, obj: Seller) -> list[Panel]:
        """Return the attributes that have no column of their own."""
        return [Panel("Attributes", elements.as_json(obj.attributes), is_folded=True)]


admin.site.register(LoadRun, LoadRunAdmin)
admin.site.register(QuarantinedRecord, QuarantineAdmin)
admin.site.register(RawPayload, RawPayloadAdmin)
admin.site.register(ExchangeRate, ExchangeRateAdmin)


def _change(event: ListingEvent) -> tuple[str, str]:
    """Return the value that an event changed: before and after."""
    if event.kind == ListingEvent.Kind.STATUS:
        return event.old_status or formatting.DASH, event.new_status or formatting.DASH
    before = formatting.money(event.old_price, event.old_currency)
    return before, formatting.money(event.new_price, event.new_currency)
