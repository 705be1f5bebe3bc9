"""Parts of the pages of products and offers: the offers, and their prices over time."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from textwrap import shorten

from django.db.models import QuerySet
from django.utils.html import format_html

from ecommerce.archive import gaps, months
from ecommerce.models import Offer, PricePoint, Product
from marketplace.admin import Panel
from marketplace.admin_site import formatting as show
from marketplace.admin_site.charts import COLORS, Point, Series, price_chart

#: Offers and changes that a product's page shows; the rest is a link away.
SHOWN_OFFERS, SHOWN_CHANGES = 50, 30

#: Price points from which a chart is drawn: the newest ones.
CHARTED_POINTS = 3000


def price_range(obj: Product) -> str:
    """Return the range of the prices of a product's offers."""
    low, high = obj.min_price, obj.max_price
    if low is None or high is None or low == high:
        return show.money(high if low is None else low, obj.currency)
    return f"{show.money(low, None)} – {show.money(high, obj.currency)}"


def offer_panel(obj: Product, offers: QuerySet[Offer]) -> Panel:
    """Return the table of a product's offers, the cheapest first."""
    shown = list(offers[: SHOWN_OFFERS + 1])
    note: str = ""
    if len(shown) > SHOWN_OFFERS:
        url = show.list_url(Offer, product__id__exact=obj.pk)
        note = show.link(url, f"The {SHOWN_OFFERS} cheapest are shown. See all offers")
    headers = ("Variant", "Seller", "Price", "Old price", "Discount", "Available", "Last seen")
    rows = [
        (
            show.admin_link(offer, show.clip(variant_name(offer), 40)),
            show.admin_link(offer.seller, show.clip(show.brief(offer.seller), 40))
            if offer.seller
            else show.DASH,
            show.money(offer.price, offer.currency),
            show.money(offer.old_price, offer.currency),
            show.percent(offer.discount_percent),
            show.flag(offer.is_available),
            show.format_time(offer.last_seen_at),
        )
        for offer in shown[:SHOWN_OFFERS]
    ]
    return Panel("Offers", show.table(headers, rows, ("Price", "Old price", "Discount")), note)


def history_panels(history: QuerySet[PricePoint]) -> Iterable[Panel]:
    """Return the chart of the prices, one a currency, and the table of the last changes.

    Both are of the months in PostgreSQL, and name those that are archived or lost.
    """
    archived = gaps.archived()
    left_out = gaps.left_out(archived)
    newest = list(
        history.select_related("offer__seller")
        .defer("offer__variant_attributes", "offer__seller__attributes")
        .order_by("-recorded_at")[:CHARTED_POINTS]
    )
    for currency in sorted({point.currency or "" for point in newest}):
        points = [point for point in newest if (point.currency or "") == currency]
        kept = [point for point in points if not point.is_outlier]
        series = _series(kept)
        notes = [f"The {COLORS} offers with the most changes."] if len(series) > COLORS else []
        if len(kept) < len(points):
            notes.append(f"Outliers are left out: {len(points) - len(kept)}.")
        if len(newest) == CHARTED_POINTS:
            notes.append(f"Drawn of the newest {CHARTED_POINTS:,} changes.")
        notes.append(left_out)
        yield Panel(
            f"Price history, {currency or 'currency unknown'}",
            price_chart(series, currency),
            " ".join(filter(None, notes)),
        )
    if newest or not archived:
        yield Panel("Last changes", _changes(newest[:SHOWN_CHANGES]), left_out)
    else:
        yield Panel("Last changes", _none_since(archived[-1]), left_out)


def _none_since(archived: date) -> str:
    """Return that there are no changes but in archived months, of which this is the last."""
    since = months.bounds(archived)[1]
    return format_html(
        '<p class="mp-empty">None since {} (earlier months are archived).</p>', f"{since:%Y-%m}"
    )


def _series(newest: Sequence[PricePoint]) -> list[Series]:
    """Return one series an offer, those with the most changes first."""
    by_offer: dict[Offer, list[PricePoint]] = defaultdict(list)
    for point in reversed(newest):
        by_offer[point.offer].append(point)
    return [
        Series(
            _label(offer),
            [Point(point.recorded_at, point.price, point.is_available) for point in points],
            offer.last_seen_at,
        )
        for offer, points in sorted(by_offer.items(), key=lambda item: -len(item[1]))
    ]


def _changes(points: Sequence[PricePoint]) -> str:
    headers = ("When", "Offer", "Price", "Change", "%", "Available")
    rows = [
        (
            show.format_time(point.recorded_at),
            show.admin_link(point.offer, _label(point.offer)),
            _price(point),
            show.change(point.price_change, point.currency),
            show.percent_change(point.price_change_percent),
            show.flag(point.is_available),
        )
        for point in points
    ]
    return show.table(headers, rows, ("Price", "Change", "%"))


def _price(point: PricePoint) -> str:
    text = show.money(point.price, point.currency)
    return show.two_lines(text, "outlier") if point.is_outlier else text


def variant_name(offer: Offer) -> str:
    """Return the variant's title, or the id of an offer without one."""
    return offer.variant_title or f"Offer {offer.external_id}"


def _label(offer: Offer) -> str:
    """Return what tells an offer from the others of its product."""
    seller = offer.seller.name if offer.seller else None
    return shorten(" · ".join(filter(None, (variant_name(offer), seller))), 70, placeholder="…")
