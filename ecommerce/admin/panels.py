"""Panels of the pages of products and offers: the offers and the latest changes of prices."""

from collections.abc import Sequence
from datetime import date, datetime
from textwrap import shorten

from django.db.models import QuerySet
from django.utils.html import format_html

from ecommerce.archive import months, notices
from ecommerce.models import Offer, PricePoint, Product
from marketplace.admin_site import elements, formatting
from marketplace.admin_site.read_only import Panel

#: Offers and price changes that a page shows at most. A link leads to the other offers.
OFFER_LIMIT, CHANGE_LIMIT = 50, 30


def price_range(obj: Product) -> str:
    """Return the price range of a product: 90 – 120 UZS."""
    low, high = obj.min_price, obj.max_price
    if low is None or high is None or low == high:
        return formatting.money(high if low is None else low, obj.currency)
    return f"{formatting.money(low, None)} – {formatting.money(high, obj.currency)}"


def offer_panel(obj: Product, offers: QuerySet[Offer]) -> Panel:
    """Return the table of a product's offers, in the order of `offers`."""
    shown = list(offers[: OFFER_LIMIT + 1])
    note: str = ""
    if len(shown) > OFFER_LIMIT:
        url = elements.list_url(Offer, product__id__exact=obj.pk)
        text = f"Only the {OFFER_LIMIT} cheapest offers are shown. See all offers"
        note = elements.link(url, text)
    headers = ("Variant", "Seller", "Price", "Old price", "Discount", "Available", "Last seen")
    rows = [
        (
            elements.admin_link(offer, elements.clip(variant_name(offer), 40)),
            _seller_link(offer),
            formatting.money(offer.price, offer.currency),
            formatting.money(offer.old_price, offer.currency),
            formatting.percent(offer.discount_percent),
            elements.flag(offer.is_available),
            formatting.format_time(offer.last_seen_at),
        )
        for offer in shown[:OFFER_LIMIT]
    ]
    return Panel("Offers", elements.table(headers, rows, ("Price", "Old price", "Discount")), note)


def _seller_link(offer: Offer) -> str:
    if offer.seller is None:
        return formatting.DASH
    name = formatting.short_name(offer.seller)
    return elements.admin_link(offer.seller, elements.clip(name, 40))


def changes_panel(history: QuerySet[PricePoint], offer: str, first_seen_at: datetime) -> Panel:
    """Return the table of the latest changes of prices.

    It covers the months in PostgreSQL. Its note lists the months since `first_seen_at` that are
    archived or lost.

    :param offer: the arguments with which `price_history` shows an offer
    """
    archived = [
        month for month in notices.archived_months() if months.bounds(month)[1] > first_seen_at
    ]
    left_out = notices.omitted_months_message(archived, offer, first_seen_at)
    newest = list(
        history.select_related("offer__seller")
        .defer("offer__variant_attributes", "offer__seller__attributes")
        .order_by("-recorded_at")[:CHANGE_LIMIT]
    )
    content = _no_changes_since(archived[-1]) if archived and not newest else _changes(newest)
    return Panel("Latest changes", content, left_out)


def _no_changes_since(archived: date) -> str:
    """Return a note that all changes are in archived months, of which `archived` is the last."""
    since = months.bounds(archived)[1]
    return format_html(
        '<p class="mp-empty">None since {} (earlier months are archived).</p>', f"{since:%Y-%m}"
    )


def _changes(points: Sequence[PricePoint]) -> str:
    headers = ("Time", "Offer", "Price", "Change", "%", "Available")
    rows = [
        (
            formatting.format_time(point.recorded_at),
            elements.admin_link(point.offer, _label(point.offer)),
            _price(point),
            formatting.signed_money(point.price_change, point.currency),
            formatting.signed_percent(point.price_change_percent),
            elements.flag(point.is_available),
        )
        for point in points
    ]
    return elements.table(headers, rows, ("Price", "Change", "%"))


def _price(point: PricePoint) -> str:
    text = formatting.money(point.price, point.currency)
    return elements.two_lines(text, "outlier") if point.is_outlier else text


def variant_name(offer: Offer) -> str:
    """Return the title of the variant, or the id of an offer without one."""
    return offer.variant_title or f"Offer {offer.external_id}"


def _label(offer: Offer) -> str:
    """Return the variant and the seller, which distinguish the offers of a product."""
    seller = offer.seller.name if offer.seller else None
    return shorten(" · ".join(filter(None, (variant_name(offer), seller))), 70, placeholder="…")
