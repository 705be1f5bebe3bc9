"""The pages of the e-commerce database."""

import re
from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db import router
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

from ecommerce import outliers
from ecommerce.archive import gaps
from ecommerce.models import (
    Category,
    ExchangeRate,
    LoadRun,
    Offer,
    PricePoint,
    Product,
    QuarantinedRecord,
    RawPayload,
    Seller,
)
from ecommerce.panels import history_panels, offer_panel, price_range, variant_name
from ecommerce.queries import price_statistics
from marketplace import admin as base
from marketplace.admin_site import formatting as show
from marketplace.admin_site.filters import (
    CurrencyFilter,
    DayRangeFilter,
    PlatformFilter,
    RangeFilter,
    choice,
    matching,
    text,
)
from marketplace.admin_site.large_tables import FOUND_LIMIT, contains
from marketplace.exceptions import ArchiveError, MarketplaceError
from marketplace.registry import get_database

_IDENTITY = ("platform", "external_id")
_LIFECYCLE = ("first_seen_at", "last_seen_at", "updated_at")

#: Offers whose keys stand in a query on their price history.
_LISTED_OFFERS = 50_000

_OUTLIERES = (("yes", "Marked"), ("no", "Released"))


@admin.register(Product)
class ProductAdmin(base.ReadOnlyAdmin):
    """Product cards."""

    icon = "inventory_2"
    list_display = (
        "name",
        "platform",
        "price",
        "is_available",
        "rating",
        "review_count",
        "seller",
        "last_seen_at",
    )
    list_filter = (
        PlatformFilter,
        choice("is_available"),
        ("min_price", RangeFilter),
        CurrencyFilter,
        ("rating", RangeFilter),
        text("brand"),
        text("title_normalized", "exact", "same title on any platform"),
        ("last_seen_at", DayRangeFilter),
    )
    list_select_related = ("seller",)
    sortable = ("price", "rating", "review_count", "last_seen_at")
    amounts = ("min_price",)
    search_texts = Product.SEARCHED
    search_help_text = "Words of the title, or the id"
    narrowed_by = ("category", "seller")
    detail_related = ("category", "seller")
    fieldsets = (
        (
            "Product",
            {"fields": ("title", "title_ru", "title_uz", "title_en", "same_title", "url")},
        ),
        ("Identification", {"fields": (*_IDENTITY, "brand", "model", "sku", "barcode")}),
        ("Place", {"fields": ("category", "seller", "tags", "video_url")}),
        (
            "Flags",
            {"fields": ("is_eco", "is_adult", "is_perishable", "has_warranty")},
        ),
        ("Seen", {"fields": _LIFECYCLE}),
    )

    @admin.display(description="title", ordering="title")
    def name(self, obj: Product) -> str:
        """Return the title, or the id of a product without one."""
        return show.clip(obj.title or f"Product {obj.external_id}", 80)

    @admin.display(description="price", ordering="min_price")
    def price(self, obj: Product) -> str:
        """Return the range of the offers' prices."""
        return show.figure(price_range(obj))

    @admin.display(description="on all platforms")
    def same_title(self, obj: Product) -> str:
        """Return a link to the products with the same normalized title."""
        if not obj.title_normalized:
            return show.DASH
        url = show.list_url(Product, title_normalized=obj.title_normalized)
        return show.link(url, obj.title_normalized)

    def images(self, obj: Product) -> list[str]:
        """Return the first picture."""
        return show.web_urls(obj.images)[:1]

    def figures(self, obj: Product) -> list[tuple[str, str]]:
        """Return price, availability and standing."""
        return [
            ("Price", show.figure(price_range(obj))),
            ("Available", show.flag(obj.is_available)),
            ("Pieces", show.number(obj.total_available)),
            ("Rating", show.number(obj.rating, 2)),
            ("Reviews", show.number(obj.review_count)),
            ("Orders", show.number(obj.order_count)),
        ]

    def panels(self, obj: Product) -> list[base.Panel]:
        """Return the offers, their prices over time, and the texts."""
        offers = obj.offers.select_related("seller").order_by("price", "pk")
        return [
            offer_panel(obj, offers),
            *history_panels(PricePoint.objects.filter(offer__product=obj)),
            base.Panel("Description", show.paragraphs(obj.description)),
            base.Panel("Characteristics", show.as_json(obj.characteristics), is_folded=True),
            base.Panel("Attributes", show.as_json(obj.attributes), is_folded=True),
        ]


@admin.register(Offer)
class OfferAdmin(base.ReadOnlyAdmin):
    """Sellable variants."""

    icon = "sell"
    list_display = (
        "label",
        "product",
        "platform",
        "cost",
        "discount_percent",
        "is_available",
        "seller",
        "last_seen_at",
    )
    list_filter = (
        PlatformFilter,
        choice("is_available"),
        ("price", RangeFilter),
        CurrencyFilter,
        ("discount_percent", RangeFilter),
        ("last_seen_at", DayRangeFilter),
    )
    list_select_related = ("product", "seller")
    sortable = ("cost", "discount_percent", "last_seen_at")
    amounts = ("price",)
    search_texts = tuple(f"product__{name}" for name in Product.SEARCHED)
    search_help_text = "Words of the product's title, or the offer's id"
    narrowed_by = ("product", "seller")
    detail_related = ("product", "seller")
    fieldsets = (
        ("Offer", {"fields": ("product", "seller", "variant_title", "variant_attributes")}),
        ("Identification", {"fields": (*_IDENTITY, "barcode")}),
        ("Price", {"fields": ("price", "old_price", "discount_percent", "currency_text")}),
        ("Stock", {"fields": ("is_available", "stock_quantity", "delivery_days")}),
        ("Seen", {"fields": (*_LIFECYCLE, "scraped_at")}),
    )

    @admin.display(description="variant")
    def label(self, obj: Offer) -> str:
        """Return the variant's title, or the id of an offer without one."""
        return show.clip(variant_name(obj), 60)

    @admin.display(description="price", ordering="price")
    def cost(self, obj: Offer) -> str:
        """Return the price, and below it the one it replaced."""
        old = f"was {show.money(obj.old_price, obj.currency)}" if obj.old_price else ""
        return show.two_lines(show.figure(show.money(obj.price, obj.currency)), old)

    def figures(self, obj: Offer) -> list[tuple[str, str]]:
        """Return the price and its discount, and what it used to be, outliers left out."""
        lowest, average = _past(obj)
        return [
            ("Price", show.figure(show.money(obj.price, obj.currency))),
            ("Old price", show.figure(show.money(obj.old_price, obj.currency))),
            ("Discount", show.figure(show.percent(obj.discount_percent))),
            ("Lowest price", lowest),
            ("Average price", average),
            ("Available", show.flag(obj.is_available)),
        ]

    def panels(self, obj: Offer) -> list[base.Panel]:
        """Return the prices over time."""
        return list(history_panels(obj.price_points.all()))


def _past(offer: Offer) -> tuple[str, str]:
    """Return an offer's lowest and average price, or that they are not to be had."""
    try:
        past = price_statistics(offer.pk)
    except ArchiveError:
        # The rest of the page is of use without; `db_archive --verify` names the file.
        return ("archive cannot be read", "archive cannot be read")
    lowest, average = (past.min_price, past.avg_price) if past else (None, None)
    figures = (show.figure(show.money(each, offer.currency)) for each in (lowest, average))
    return next(figures), next(figures)


class _OfferPlatformFilter(PlatformFilter):
    """The platform of a price point's offer."""

    path = "offer__platform"


def _in_category(text: str) -> Q:
    """Return the condition that an offer's product is in a category, or one below it."""
    categories = Category.objects.filter(contains("name", text) | contains("path_names", text))
    offers = Offer.objects.filter(product__category__in=categories)
    # So many offers have points among the newest ones, which are read until a page is full.
    pks = _pks(offers)
    return Q(offer__in=pks if len(pks) < _LISTED_OFFERS else offers)


def _pks(offers: QuerySet[Offer]) -> list[int]:
    """Return the keys of offers: where PostgreSQL knows how many they are, it does not read the
    whole history to find the points of a few."""
    return list(offers.values_list("pk", flat=True)[:_LISTED_OFFERS])


def _offers(term: str) -> QuerySet[Offer]:
    """Return the offers with an id, or of a product with an id or with words of its title."""
    has_id = Q(platform__in=get_database("ecommerce").platforms, external_id=term)
    by_id = Offer.objects.filter(has_id)
    if re.fullmatch("[0-9]{1,18}", term):
        by_id |= Offer.objects.filter(pk=term)
    # One after the other, as no index serves a condition on two tables.
    for offers in (by_id, Offer.objects.filter(product__in=Product.objects.filter(has_id))):
        if offers.exists():
            return offers
    products = Product.objects.search(term).values("pk")[:FOUND_LIMIT]
    return Offer.objects.filter(product__in=products)


@admin.register(PricePoint)
class PricePointAdmin(base.ReadOnlyAdmin):
    """Changes of prices."""

    icon = "timeline"
    nav_title = "Price history"
    list_display = (
        "recorded_at",
        "product",
        "offer",
        "platform",
        "price",
        "price_change",
        "price_change_percent",
        "is_available",
        "is_outlier",
    )
    list_filter = (
        _OfferPlatformFilter,
        matching("category", "category or a part of its name", _in_category),
        choice("is_available"),
        choice("is_outlier", _OUTLIERES),
        ("price", RangeFilter),
        CurrencyFilter,
        ("price_change_percent", RangeFilter),
        ("recorded_at", DayRangeFilter),
    )
    actions = ("release", "restore")  # type: ignore[assignment]
    list_select_related = ("offer__product",)
    newest = "recorded_at"
    sortable = ("recorded_at", "price", "price_change", "price_change_percent")
    sorted_without_index = ("price", "price_change", "price_change_percent")
    amounts = ("price", "price_change")
    search_help_text = "Words of the product's title, or the id of an offer or a product"
    detail_related = ("offer__product",)
    fieldsets = (
        ("Point", {"fields": ("recorded_at", "offer", "product")}),
        ("Price", {"fields": ("price", "old_price", "discount_percent")}),
        ("Stock", {"fields": ("is_available", "available_amount")}),
        ("Change", {"fields": ("price_change", "price_change_percent")}),
        ("Trust", {"fields": ("is_outlier",)}),
    )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Say which months the list leaves out."""
        if request.method == "GET" and (note := gaps.left_out(gaps.archived())):
            self.message_user(request, note)
        return super().changelist_view(request, extra_context)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[PricePoint], search_term: str
    ) -> tuple[QuerySet[PricePoint], bool]:
        """Keep the points of the offers that the user typed: few offers have few of millions."""
        term = search_term.strip()
        return (queryset.filter(offer__in=_pks(_offers(term))) if term else queryset), False

    @admin.display(description="platform")
    def platform(self, obj: PricePoint) -> str:
        """Return the offer's platform."""
        return show.badge(obj.offer.platform, "plain")

    @admin.display(description="product")
    def product(self, obj: PricePoint) -> str:
        """Return a link to the product."""
        product = obj.offer.product
        return show.admin_link(product, show.clip(show.brief(product), 60))

    def has_review_permission(self, request: HttpRequest) -> bool:
        """Allow what changes no price: to say whether one is right."""
        return request.user.has_perm("ecommerce.change_pricepoint")

    @admin.action(description="Release: the price is right", permissions=["review"])
    def release(self, request: HttpRequest, queryset: QuerySet[PricePoint]) -> None:
        """Let marked prices count again."""
        self._settle(request, queryset, outliers.release, "released")

    @admin.action(description="Restore: it is a outlier after all", permissions=["review"])
    def restore(self, request: HttpRequest, queryset: QuerySet[PricePoint]) -> None:
        """Mark released prices again."""
        self._settle(request, queryset, outliers.restore, "marked again")

    def _settle(
        self,
        request: HttpRequest,
        queryset: QuerySet[PricePoint],
        settle: Callable[[str, int], None],
        done: str,
    ) -> None:
        alias, count = router.db_for_write(PricePoint), 0
        for pk in queryset.values_list("pk", flat=True):
            try:
                settle(alias, pk)
                count += 1
            except MarketplaceError as error:
                self.message_user(request, str(error), messages.WARNING)
        self.message_user(request, f"{count} {done}.", messages.SUCCESS)


@admin.register(Category)
class CategoryAdmin(base.ReadOnlyAdmin):
    """Nodes of the category trees."""

    icon = "account_tree"
    list_display = ("name", "platform", "level", "path_names", "product_count", "last_seen_at")
    list_filter = (PlatformFilter, ("level", RangeFilter))
    sortable = ("name", "level", "product_count")
    search_vector = "search_vector"
    detail_related = ("parent",)
    fieldsets = (
        ("Category", {"fields": ("name", "name_ru", "name_uz", "name_en", "url")}),
        ("Place", {"fields": ("parent", "level", "path_names", "path_ids")}),
        ("Identification", {"fields": (*_IDENTITY, "product_count", "products")}),
        ("Seen", {"fields": _LIFECYCLE}),
    )

    @admin.display(description="products")
    def products(self, obj: Category) -> str:
        """Return a link to the category's products."""
        return show.link(show.list_url(Product, category__id__exact=obj.pk), "Its products")


@admin.register(Seller)
class SellerAdmin(base.ReadOnlyAdmin):
    """Shops."""

    icon = "storefront"
    list_display = (
        "title",
        "platform",
        "rating",
        "review_count",
        "order_count",
        "product_count",
        "is_official",
        "last_seen_at",
    )
    list_filter = (
        PlatformFilter,
        choice("is_official"),
        choice("is_verified"),
        ("rating", RangeFilter),
    )
    sortable = ("rating", "review_count", "order_count", "product_count")
    search_names = ("name",)
    search_help_text = "A part of the name, or the id"
    fieldsets = (
        ("Seller", {"fields": ("name", "slug", "link", "products", "offers")}),
        ("Identification", {"fields": (*_IDENTITY, "registered_at")}),
        ("Standing", {"fields": ("is_official", "is_verified", "is_active")}),
        ("Seen", {"fields": _LIFECYCLE}),
    )

    @admin.display(description="name")
    def title(self, obj: Seller) -> str:
        """Return the name, or the id of a seller without one."""
        return show.clip(obj.name or f"Seller {obj.external_id}", 60)

    @admin.display(description="products")
    def products(self, obj: Seller) -> str:
        """Return a link to the seller's products."""
        return show.link(show.list_url(Product, seller__id__exact=obj.pk), "Its products")

    @admin.display(description="offers")
    def offers(self, obj: Seller) -> str:
        """Return a link to the seller's offers."""
        return show.link(show.list_url(Offer, seller__id__exact=obj.pk), "Its offers")

    def figures(self, obj: Seller) -> list[tuple[str, str]]:
        """Return the standing."""
        return [
            ("Rating", show.number(obj.rating, 2)),
            ("Reviews", show.number(obj.review_count)),
            ("Orders", show.number(obj.order_count)),
            ("Products", show.number(obj.product_count)),
        ]

    def panels(self, obj: Seller) -> list[base.Panel]:
        """Return the texts."""
        return [
            base.Panel("Description", show.paragraphs(obj.description)),
            base.Panel("Attributes", show.as_json(obj.attributes), is_folded=True),
        ]


admin.site.register(LoadRun, base.LoadRunAdmin)
admin.site.register(QuarantinedRecord, base.QuarantineAdmin)
admin.site.register(RawPayload, base.RawPayloadAdmin)
admin.site.register(ExchangeRate, base.ExchangeRateAdmin)
