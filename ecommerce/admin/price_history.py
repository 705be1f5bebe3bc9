"""The pages of price points, and the review of outliers."""

import re
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

from ecommerce.archive import notices
from ecommerce.models import Category, Offer, PricePoint, Product
from marketplace.admin_site import elements, formatting
from marketplace.admin_site.filters import (
    CurrencyFilter,
    DayRangeFilter,
    PlatformFilter,
    RangeFilter,
    choice,
    matching,
)
from marketplace.admin_site.large_tables import MATCH_LIMIT, contains
from marketplace.admin_site.read_only import ReadOnlyAdmin
from marketplace.admin_site.review import ReviewMixin
from marketplace.registry import get_database

#: Number of offers up to which their keys are listed in a query of the price history.
_KEY_LIMIT = 50_000

_OUTLIER_CHOICES = (("yes", "Marked"), ("no", "Released"))


class _OfferPlatformFilter(PlatformFilter):
    """The platform of the price point's offer."""

    path = "offer__platform"


def _in_category(text: str) -> Q:
    """Return the condition that the product of an offer is in a category or below it."""
    categories = Category.objects.filter(contains("name", text) | contains("path_names", text))
    offers = Offer.objects.filter(product__category__in=categories)
    # Many offers have points among the newest ones, so a page is full after reading a few.
    pks = _pks(offers)
    return Q(offer__in=pks if len(pks) < _KEY_LIMIT else offers)


def _pks(offers: QuerySet[Offer]) -> list[int]:
    """Return the keys of offers.

    With a list of keys, the planner knows their number and does not read the whole history for
    the points of a few offers.
    """
    return list(offers.values_list("pk", flat=True)[:_KEY_LIMIT])


def _offers(term: str) -> QuerySet[Offer]:
    """Return the offers with an id, or of products with an id or with words in their titles."""
    has_id = Q(platform__in=get_database("ecommerce").platforms, external_id=term)
    by_id = Offer.objects.filter(has_id)
    if re.fullmatch("[0-9]{1,18}", term):
        by_id |= Offer.objects.filter(pk=term)
    # One query after the other: no index supports a condition on two tables.
    for offers in (by_id, Offer.objects.filter(product__in=Product.objects.filter(has_id))):
        if offers.exists():
            return offers
    products = Product.objects.search(term).values("pk")[:MATCH_LIMIT]
    return Offer.objects.filter(product__in=products)


class PricePointAdmin(ReviewMixin, ReadOnlyAdmin):
    """Price changes of offers."""

    kind_name = "outlier"
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
        matching("category", "category (part of the name)", _in_category),
        choice("is_available"),
        choice("is_outlier", _OUTLIER_CHOICES, "Not marked"),
        ("price", RangeFilter),
        CurrencyFilter,
        ("price_change_percent", RangeFilter),
        ("recorded_at", DayRangeFilter),
    )
    actions = ("release", "restore")  # type: ignore[assignment]
    list_select_related = ("offer__product",)
    time_column = "recorded_at"
    sortable = ("recorded_at", "price", "price_change", "price_change_percent")
    sortable_without_index = ("price", "price_change", "price_change_percent")
    amounts = ("price", "price_change")
    search_help_text = "Words of the product's title, or an id"
    detail_related = ("offer__product",)
    fieldsets = (
        ("Price point", {"fields": ("recorded_at", "offer", "product")}),
        ("Price", {"fields": ("price", "old_price", "discount_percent")}),
        ("Stock", {"fields": ("is_available", "available_amount")}),
        ("Change", {"fields": ("price_change", "price_change_percent")}),
        ("Outlier detection", {"fields": ("is_outlier",)}),
    )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list, with a message about months that it does not include."""
        if request.method == "GET" and (
            note := notices.omitted_months_message(notices.archived_months())
        ):
            self.message_user(request, note)
        return super().changelist_view(request, extra_context)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[PricePoint], search_term: str
    ) -> tuple[QuerySet[PricePoint], bool]:
        """Return the points of the offers that match the search."""
        term = search_term.strip()
        return (queryset.filter(offer__in=_pks(_offers(term))) if term else queryset), False

    @admin.display(description="platform")
    def platform(self, obj: PricePoint) -> str:
        """Return the platform of the offer."""
        return elements.badge(obj.offer.platform, "plain")

    @admin.display(description="product")
    def product(self, obj: PricePoint) -> str:
        """Return a link to the product."""
        product = obj.offer.product
        return elements.admin_link(product, elements.clip(formatting.short_name(product), 60))
