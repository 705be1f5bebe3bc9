"""The pages of products and offers."""

from decimal import Decimal
from shlex import quote

from django.contrib import admin

from ecommerce.admin.panels import changes_panel, offer_panel, price_range, variant_name
from ecommerce.models import Offer, PricePoint, Product
from ecommerce.queries import price_statistics
from marketplace.admin_site import elements, formatting
from marketplace.admin_site.filters import (
    CurrencyFilter,
    DayRangeFilter,
    PlatformFilter,
    RangeFilter,
    choice,
    text,
)
from marketplace.admin_site.read_only import IDENTITY, LIFECYCLE, Panel, ReadOnlyAdmin
from marketplace.exceptions import ArchiveError


class ProductAdmin(ReadOnlyAdmin):
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
        text("title_normalized", "exact", "normalized title (exact)"),
        ("last_seen_at", DayRangeFilter),
    )
    list_select_related = ("seller",)
    sortable = ("price", "rating", "review_count", "last_seen_at")
    amounts = ("min_price",)
    search_texts = Product.SEARCHED
    search_help_text = "Words of the title, or the id"
    related_filters = ("category", "seller")
    detail_related = ("category", "seller")
    fieldsets = (
        (
            "Product",
            {"fields": ("title", "title_ru", "title_uz", "title_en", "same_title", "url")},
        ),
        ("Identification", {"fields": (*IDENTITY, "brand", "model", "sku", "barcode")}),
        ("Classification", {"fields": ("category", "seller", "tags", "video_url")}),
        (
            "Flags",
            {"fields": ("is_eco", "is_adult", "is_perishable", "has_warranty")},
        ),
        ("Timestamps", {"fields": LIFECYCLE}),
    )

    @admin.display(description="title", ordering="title")
    def name(self, obj: Product) -> str:
        """Return the title, or the id of a product without one."""
        return elements.clip(obj.title or f"Product {obj.external_id}", 80)

    @admin.display(description="price", ordering="min_price")
    def price(self, obj: Product) -> str:
        """Return the price range of the offers."""
        return elements.figure(price_range(obj))

    @admin.display(description="same title")
    def same_title(self, obj: Product) -> str:
        """Return a link to the products of all platforms with the same normalized title."""
        if not obj.title_normalized:
            return formatting.DASH
        url = elements.list_url(Product, title_normalized=obj.title_normalized)
        return elements.link(url, obj.title_normalized)

    def images(self, obj: Product) -> list[str]:
        """Return the URL of the first picture."""
        return elements.web_urls(obj.images)[:1]

    def figures(self, obj: Product) -> list[tuple[str, str]]:
        """Return the price, the availability and the popularity."""
        return [
            ("Price", elements.figure(price_range(obj))),
            ("Available", elements.flag(obj.is_available)),
            ("Units in stock", formatting.number(obj.total_available)),
            ("Rating", formatting.number(obj.rating, 2)),
            ("Reviews", formatting.number(obj.review_count)),
            ("Orders", formatting.number(obj.order_count)),
        ]

    def panels(self, obj: Product) -> list[Panel]:
        """Return the offers, the latest changes, the description and the attributes."""
        offers = obj.offers.select_related("seller").order_by("price", "pk")
        return [
            offer_panel(obj, offers),
            changes_panel(
                PricePoint.objects.filter(offer__product=obj),
                f"{obj.platform} {_only_offer(obj)}",
                obj.first_seen_at,
            ),
            Panel("Description", elements.paragraphs(obj.description)),
            Panel("Characteristics", elements.as_json(obj.characteristics), is_folded=True),
            Panel("Attributes", elements.as_json(obj.attributes), is_folded=True),
        ]


class OfferAdmin(ReadOnlyAdmin):
    """Offers: variants of products that a seller sells."""

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
    related_filters = ("product", "seller")
    detail_related = ("product", "seller")
    fieldsets = (
        ("Offer", {"fields": ("product", "seller", "variant_title", "variant_attributes")}),
        ("Identification", {"fields": (*IDENTITY, "barcode")}),
        ("Price", {"fields": ("price", "old_price", "discount_percent", "currency_text")}),
        ("Stock", {"fields": ("is_available", "stock_quantity", "delivery_days")}),
        ("Timestamps", {"fields": (*LIFECYCLE, "scraped_at")}),
    )

    @admin.display(description="variant")
    def label(self, obj: Offer) -> str:
        """Return the title of the variant, or the id of an offer without one."""
        return elements.clip(variant_name(obj), 60)

    @admin.display(description="price", ordering="price")
    def cost(self, obj: Offer) -> str:
        """Return the price, with the old price below it."""
        old = f"was {formatting.money(obj.old_price, obj.currency)}" if obj.old_price else ""
        price = elements.figure(formatting.money(obj.price, obj.currency))
        return elements.two_lines(price, old)

    def figures(self, obj: Offer) -> list[tuple[str, str]]:
        """Return the price, the discount, and the statistics without outliers."""
        lowest, average = _statistics(obj)
        return [
            ("Price", elements.figure(formatting.money(obj.price, obj.currency))),
            ("Old price", elements.figure(formatting.money(obj.old_price, obj.currency))),
            ("Discount", elements.figure(formatting.percent(obj.discount_percent))),
            ("Lowest price", lowest),
            ("Average price", average),
            ("Available", elements.flag(obj.is_available)),
        ]

    def panels(self, obj: Offer) -> list[Panel]:
        """Return the latest changes."""
        offer = f"{obj.platform} {quote(obj.external_id)}"
        return [changes_panel(obj.price_points.all(), offer, obj.first_seen_at)]


def _only_offer(product: Product) -> str:
    """Return the id of the only offer of a product, or a placeholder if it has several."""
    ids = list(product.offers.values_list("external_id", flat=True)[:2])
    return quote(ids[0]) if len(ids) == 1 else "OFFER"


def _statistics(offer: Offer) -> tuple[str, str]:
    """Return the lowest and the average price of an offer, or that they are not available."""
    try:
        statistics = price_statistics(offer.pk)
    except ArchiveError:
        # The rest of the page does not need the archive. `db_archive --verify` reports the file.
        return ("archive cannot be read", "archive cannot be read")
    lowest, average = (statistics.min_price, statistics.avg_price) if statistics else (None, None)
    return _price(lowest, offer.currency), _price(average, offer.currency)


def _price(amount: Decimal | None, currency: str | None) -> str:
    return elements.figure(formatting.money(amount, currency))
