"""The overview of the market, compared with a computation in Python."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from statistics import quantiles

import pytest
from hypothesis import example, given

from tests import factories
from tests.amounts import TASHKENT, text_order
from tests.classifieds import random_ads
from tests.classifieds.random_ads import price_of
from tests.questions import analysts, answer  # noqa: F401
from tests.strategies import examples

pytestmark = [
    pytest.mark.django_db(databases=["classifieds"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]

QUARTILES = ("lower_quartile", "median", "upper_quartile")

FIRST, LAST = date(2026, 8, 12), date(2026, 10, 5)

#: Month → its days within the period.
MONTHS = {
    "2026-08": (FIRST, date(2026, 8, 31)),
    "2026-09": (date(2026, 9, 1), date(2026, 9, 30)),
    "2026-10": (date(2026, 10, 1), LAST),
}


def midnight(day):
    return datetime(day.year, day.month, day.day, tzinfo=TASHKENT)


def row_of(key, ads, events, first, last, currency):
    """Return the row of a group; None if nothing of it is within the period."""
    since, until = midnight(first), midnight(last + timedelta(days=1))
    online, posted, gone = [], [], []
    for ad in ads:
        end = random_ads.end_of(ad, events)
        start = min(filter(None, (ad.posted_at, ad.first_seen_at)))
        if start < until and (end or ad.last_seen_at) >= since:
            online.append(ad)
        if since <= (ad.posted_at or ad.first_seen_at) < until:
            posted.append(ad)
        if end and since <= end < until:
            gone.append(ad)
    if not online + posted + gone:
        return None
    prices = [price for ad in online if (price := price_of(ad, currency)) is not None]
    exact = [None] * 3
    if prices:
        exact = quantiles(prices * (2 if len(prices) == 1 else 1), n=4, method="inclusive")
    return {
        "name": key,
        "posted": len(posted),
        "gone": len(gone),
        "sold": sum(ad.status == "sold" for ad in gone),
        "currency": currency,
        "online": len(online),
        "n_used": len(prices),
        **dict(zip(QUARTILES, exact, strict=True)),
    }


def expected(ads, events, by, currency):
    if by == "month":
        rows = [row_of(month, ads, events, *days, currency) for month, days in MONTHS.items()]
        return list(filter(None, rows))
    groups = random_ads.group(ads, by)
    rows = [row_of(key, members, events, FIRST, LAST, currency) for key, members in groups.items()]
    return sorted(filter(None, rows), key=lambda row: (-row["online"], text_order(row["name"])))


@examples
@given(random_ads.ads_with_events())
@example(random_ads.edge_cases())
def test_equals_a_computation(ads_and_events):
    ads, events = ads_and_events
    random_ads.store(ads, events)

    for by in ("category", "city", "district", "month"):
        currency = "USD" if by == "city" else "UZS"
        rows = answer(
            "classifieds.market_overview", by=by, since=FIRST, until=LAST, currency=currency
        )
        wanted = expected(ads, events, by, currency)

        for row, exact in zip(rows, wanted, strict=True):
            for name in QUARTILES:
                shown, value = row.pop(name), exact.pop(name)
                assert (shown is None) == (value is None)
                assert shown is None or abs(shown - value) < Decimal("0.006")
        assert rows == wanted


def test_a_group_without_prices_has_no_median():
    factories.listing(price=None)
    factories.listing(price=0)

    (row,) = answer("classifieds.market_overview", since="2026-11-01")

    assert (row["online"], row["n_used"], row["median"]) == (2, 0, None)
