"""Random offers with their price history, made by Hypothesis, and their prices day by day."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from django.db import connections, transaction
from django.utils import timezone
from hypothesis import Phase, settings
from hypothesis import strategies as st
from psycopg2.sql import SQL, Identifier

from ecommerce.models import Category, Offer, Product, Seller
from tests import factories
from tests.amounts import create_rates, percent
from tests.factories import SEEN
from tests.questions import answer
from tests.strategies import examples

DAY = timedelta(days=1)

#: The midnight in Tashkent with which the day of SEEN begins. All days are counted back from it.
TODAY = SEEN.replace(day=19, hour=19)

#: Shrinking an example that fails would take minutes.
EXAMPLES = settings(examples, max_examples=15, phases=[Phase.generate])

#: The tables whose rows an example replaces.
TABLES = ("price_history", "offers", "products", "sellers", "categories", "exchange_rates")

PLATFORMS = ("uzum", "ozon")

#: Paths of categories. The last one has only a name.
PATHS = ("A > B", "A > C > D", "A", "E", None)

#: Two forms of the same barcode, another one, and one whose check digit is wrong.
BARCODES = ("036000291452", "0036000291452", "4006381333931", "4006381333932")


class Price(NamedTuple):
    """A price point.

    :param day: number of days before TODAY
    """

    day: int
    price: Decimal
    currency: str | None = "UZS"
    old_price: Decimal | None = None
    is_available: bool | None = True
    is_outlier: bool | None = None

    def __repr__(self) -> str:
        """Return a short text: an example that fails has hundreds of points."""
        return " ".join(str(value) for value in self if value is not None)


class ProductDraft(NamedTuple):
    """A product that `store` stores; `category` is the number of its category."""

    platform: str
    category: int | None
    title: str | None
    barcode: str | None


class OfferDraft(NamedTuple):
    """An offer that `store` stores.

    :param product: number of its product
    :param seller: number of its seller on the platform
    :param seen: number of days before TODAY when it was last seen
    :param points: its history, the oldest price first
    """

    product: int
    seller: int | None
    barcode: str | None
    seen: int
    points: list[Price]


class Stored(NamedTuple):
    """A stored offer, its history, and the number of days before TODAY when it was last seen."""

    offer: Offer
    points: list[Price]
    seen: int


class Market(NamedTuple):
    """Products and their offers, which `store` stores."""

    products: list[ProductDraft]
    offers: list[OfferDraft]


#: Days between two changes: often such that a period of 30, 90 or 365 days begins with a change.
_GAPS = st.sampled_from([1, 1, 2, 10, 20, 29, 30, 30, 31, 59, 60, 90, 91, 275])

#: The age of the oldest point: each month of history is a table that each question plans with.
MAX_DAYS = 460


def _rarely(value: Any, usual: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([usual] * 19 + [value])


@st.composite
def _changes(draw: st.DrawFn) -> list[tuple[int, int, int | None]]:
    """Draw level, old level and days since the change before, of each price; the newest first."""
    old = st.sampled_from([None, None, None, 100, 100, 120])
    levels = st.sampled_from([100, 100, 100, 80, 80, 90, 95, 99, 120, 0])
    return draw(st.lists(st.tuples(levels, old, _GAPS), min_size=1, max_size=9))


def _discounts() -> st.SearchStrategy[list[tuple[int, int | None, int]]]:
    """Return a strategy for prices that were raised perhaps, and then have a discount."""
    discounted = st.tuples(st.sampled_from([80, 80, 90, 95, 0]), st.just(100), _GAPS)
    full = st.tuples(st.sampled_from([100, 100, 98, 99]), st.none(), _GAPS)
    lower = st.tuples(st.sampled_from([80, 95, 96]), st.sampled_from([None, 100]), _GAPS)
    return st.one_of(
        st.tuples(discounted, full, lower), st.tuples(discounted, lower, full, lower)
    ).map(list)


@st.composite
def histories(draw: st.DrawFn, newest: int = 0) -> list[Price]:
    """Draw a history, the oldest price first: few values and gaps, so that some are the same.

    As in loaded data, an unknown availability is that of the point before, and an outlier stands
    between two points in its currency that are no outliers.

    :param newest: least number of days before TODAY of the last point
    """
    usual = draw(st.sampled_from(["UZS", "UZS", "UZS", "USD", "USD", "EUR", None]))
    day = newest + draw(st.sampled_from([0, 0, 1, 5, 20, 30]))
    points: list[Price] = []
    for level, old, gap in draw(st.one_of(_changes(), _changes(), _discounts())):
        currency = draw(_rarely("UZS", usual))
        unit = Decimal(12000 if currency == "UZS" else 1)
        is_available = draw(st.sampled_from([True, True, True, True, False, False, None]))
        old_price = None if old is None else old * unit
        points.insert(0, Price(day, level * unit, currency, old_price, is_available))
        day += gap
        if day > MAX_DAYS:
            break
    for number in range(1, len(points)):
        before, point = points[number - 1 : number + 1]
        if point.is_available is None:
            points[number] = point = point._replace(is_available=before.is_available)
        currencies = {other.currency for other in points[number - 1 : number + 2]}
        if number + 1 < len(points) and len(currencies) == 1 and not before.is_outlier:
            is_outlier = draw(st.sampled_from([None, None, None, False, True]))
            points[number] = point._replace(is_outlier=is_outlier)
    return points


@st.composite
def _offers(draw: st.DrawFn) -> OfferDraft:
    seen = draw(st.sampled_from([0, 0, 0, 0, 0, 3, 70, 120]))
    return OfferDraft(
        product=draw(st.integers(0, 5)),
        seller=draw(st.sampled_from([0, 1, None])),
        barcode=draw(_rarely(BARCODES[2], None)),
        seen=seen,
        points=draw(histories(seen)),
    )


def drafts() -> st.SearchStrategy[Market]:
    """Return a strategy for products and their offers, which `store` stores."""
    product = st.builds(
        ProductDraft,
        platform=st.sampled_from(PLATFORMS),
        category=st.sampled_from([*range(len(PATHS)), None]),
        title=st.sampled_from(["choynak", "piyola", "", None]),
        barcode=st.sampled_from([None, *BARCODES]),
    )
    products = st.lists(product, min_size=6, max_size=6)
    many = st.lists(_offers(), min_size=60, max_size=70)
    few = st.lists(_offers(), max_size=2)
    return st.builds(Market, products, st.one_of(many, many, many, few))


#: Parameters that choose offers: mostly none.
FILTERS = st.sampled_from([{}, {}, {}, {}, {"platform": "uzum"}, {"category": "A"}])


def store(market: Market) -> list[Stored]:
    """Replace the rows of the example before, and return the stored offers."""
    with transaction.atomic(using="ecommerce"):
        clear()
        create_rates("ecommerce")
        products = _store_products(market.products)
        sellers = _store_sellers()
        offers = []
        for number, draft in enumerate(market.offers):
            product = products[draft.product]
            seller = None if draft.seller is None else sellers[product.platform][draft.seller]
            times = {"first_seen_at": at(draft.points[0].day), "scraped_at": at(draft.seen)}
            fields = {"product": product, "seller": seller, "barcode": draft.barcode, **times}
            row = _row(product.platform, number)
            offers.append(Offer(**row | _state(draft.points) | fields))
        Offer.objects.bulk_create(offers)
        histories = [draft.points for draft in market.offers]
        pairs = zip(offers, histories, strict=True)
        factories.price_points([row for pair in pairs for row in _points(*pair)])
    seen = [draft.seen for draft in market.offers]
    return list(map(Stored, offers, histories, seen))


def _store_products(drafts: list[ProductDraft]) -> list[Product]:
    categories: dict[int | None, Category | None] = {None: None}
    for number, path in enumerate(PATHS):
        name = (path or "F")[-1]
        categories[number] = Category(**_row("uzum", number), name=name, path_names=path)
    Category.objects.bulk_create(filter(None, categories.values()))
    return Product.objects.bulk_create(
        Product(
            **_row(draft.platform, number),
            category=categories[draft.category],
            title=f"Product {number}",
            title_normalized=draft.title,
            barcode=draft.barcode,
        )
        for number, draft in enumerate(drafts)
    )


def _store_sellers() -> dict[str, list[Seller]]:
    """Store two sellers of each platform, all with the same name."""
    return {
        platform: Seller.objects.bulk_create(
            Seller(**_row(platform, number), name="Malika Savdo") for number in range(2)
        )
        for platform in PLATFORMS
    }


def _row(platform: str, number: int) -> dict[str, Any]:
    times = dict.fromkeys(("first_seen_at", "last_seen_at", "updated_at"), SEEN)
    return {"platform": platform, "external_id": str(number), **times}


def _state(points: list[Price]) -> dict[str, Any]:
    """Return the fields of an offer whose last points are these."""
    last = points[-1]
    return {
        "price": last.price,
        "old_price": last.old_price,
        "currency": last.currency,
        "is_available": last.is_available,
    }


def _points(offer: Offer, prices: list[Price]) -> Iterator[dict[str, Any]]:
    """Yield the fields of the price points of an offer."""
    for before, point in pairwise([None, *prices]):
        change = None
        if before and before.currency == point.currency:
            change = Decimal(point.price - before.price)
        values = point._asdict()
        yield {
            "offer": offer,
            "recorded_at": at(values.pop("day")),
            "price_change": change,
            "price_change_percent": before and percent(change, before.price),
            **values,
        }


def clear(*tables: str) -> None:
    """Delete the rows of an example. For few rows, this is faster than TRUNCATE."""
    with connections["ecommerce"].cursor() as cursor:
        for name in tables or TABLES:
            table = Identifier(f"ecommerce_{name}")
            cursor.execute(SQL("DELETE FROM {}").format(table))


def add_offer(prices: list[Price], **fields: Any) -> Offer:
    """Store an offer with its history, the oldest price first; its state is the last price."""
    offer = factories.offer(**_state(prices) | {"scraped_at": TODAY} | fields)
    factories.price_points(list(_points(offer, prices)))
    return offer


def ask_rows(name: str, **texts: Any) -> list[dict[str, Any]]:
    """Return the rows of the answer to a question about this database."""
    return answer(f"ecommerce.{name}", **texts)


def narrow(rows: list[dict[str, Any]], expected: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with only the columns that the expected rows have."""
    names = expected[0] if expected else []
    return [{name: row[name] for name in names} for row in rows]


def at(days: int | None) -> datetime | None:
    """Return the time that is a number of days before TODAY; None for None."""
    return None if days is None else TODAY - days * DAY


def date_of(days: int) -> str:
    """Return the local day that is a number of days before TODAY."""
    return timezone.localdate(TODAY - days * DAY).isoformat()


def address(row: Offer | Seller | None) -> str | None:
    """Return the address of an offer or a seller, as questions show it; None for None."""
    return row and f"{row.platform}:{row.external_id}"


def near(value: Any) -> Any:
    """Return what equals a rounded result: PostgreSQL computes percentiles in double precision."""
    return None if value is None else pytest.approx(Decimal(value), abs=Decimal("0.011"))


def is_chosen(offer: Offer, platform: str = "", category: str = "", seller: str = "") -> bool:
    """Return whether an offer is chosen by the parameters of a question."""
    return (
        platform in ("", offer.platform)
        and seller in ("", address(offer.seller))
        and is_within(offer.product, category)
    )


def is_within(product: Product, category: str) -> bool:
    """Return whether a product is in a category or below it; True without a category."""
    own = product.category
    if not category or own is None:
        return not category
    return own.name == category or f"{own.path_names} > ".startswith(f"{category} > ")
