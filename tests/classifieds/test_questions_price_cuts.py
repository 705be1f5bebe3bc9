"""Price cuts, compared with a computation in Python."""

from datetime import date, timedelta
from decimal import Decimal
from statistics import median

import pytest
from hypothesis import example, given

from tests import factories
from tests.amounts import descending, local_day, percent, text_order
from tests.classifieds import random_ads
from tests.questions import analysts, answer  # noqa: F401
from tests.strategies import examples

pytestmark = [
    pytest.mark.django_db(databases=["classifieds"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]

DAY = timedelta(days=1)


def is_cut(event):
    return (
        event.kind == "price"
        and event.old_price is not None
        and event.new_price
        and event.new_price < event.old_price
        and event.new_currency == event.old_currency
        and event.new_currency is not None
    )


def days_to(ad, cuts):
    wait = min(event.recorded_at for event in cuts) - (ad.posted_at or ad.first_seen_at)
    return wait / DAY if wait >= timedelta() else None


def expected(ads, events, by, depth, period):
    """Return the rows; medians are exact."""
    first, last = period
    ads = [
        ad
        for ad in ads
        if local_day(ad.first_seen_at) <= last and local_day(ad.last_seen_at) >= first
    ]
    rows = []
    for key, members in random_ads.group(ads, by, depth).items():
        priced = [ad for ad in members if ad.price]
        cuts = {ad: [event for event in events if event.listing == ad] for ad in priced}
        cuts = {ad: list(of_ad) for ad, of_ad in cuts.items() if of_ad}
        shares = [
            100 * (event.old_price - event.new_price) / event.old_price
            for of_ad in cuts.values()
            for event in of_ad
        ]
        days = [wait for ad, of_ad in cuts.items() if (wait := days_to(ad, of_ad)) is not None]
        row = {
            "name": key,
            "cut_ads": len(cuts) if priced else None,
            "cut_ads_percent": percent(Decimal(len(cuts)), len(priced)),
            "cuts": len(shares) if priced else None,
            "median_cut_percent": float(median(shares)) if shares else None,
            "greatest_cut_percent": float(max(shares)) if shares else None,
            "median_days": median(days) if days else None,
            "n_used": len(priced),
            "ads": len(members),
        }
        order = descending(row["cut_ads_percent"]), -len(priced), -len(members), text_order(key)
        rows.append((order, row))
    return [row for _, row in sorted(rows, key=lambda entry: entry[0])]


@examples
@given(random_ads.ads_with_events())
@example(random_ads.edge_cases())
def test_equals_a_computation(ads_and_events):
    ads, events = ads_and_events
    random_ads.store(ads, events)

    for by, depth, first, last in (
        ("category", 2, date.min, date.max),
        ("category", 1, date(2026, 8, 21), date(2026, 8, 23)),
        ("city", 2, date(2026, 8, 22), date(2026, 9, 10)),
        ("district", 2, date.min, date.max),
        ("price_band", 2, date.min, date.max),
    ):
        within = [
            event
            for event in events
            if is_cut(event) and first <= local_day(event.recorded_at) <= last
        ]
        stated = {"since": first, "until": last} if first > date.min else {"since": None}

        rows = answer("classifieds.price_cuts", by=by, depth=depth, **stated)
        wanted = expected(ads, within, by, depth, (first, last))

        for name, step in (
            ("median_cut_percent", 0.01),
            ("greatest_cut_percent", 0.01),
            ("median_days", 0.1),
        ):
            values = [row.pop(name) for row in rows]
            for value, row in zip(values, wanted, strict=True):
                exact = row.pop(name)
                assert (value is None) == (exact is None)
                assert value is None or abs(float(value) - exact) <= step * 0.51
        assert rows == wanted


def test_a_raised_price_and_another_currency_are_no_cuts():
    ad = factories.listing(price=100, currency="UZS")
    factories.listing_event(listing=ad, old_price=90, new_price=100)
    factories.listing_event(
        listing=ad,
        old_price=1200,
        new_price=100,
        old_currency="UZS",
        recorded_at=ad.posted_at + DAY,
    )

    (row,) = answer("classifieds.price_cuts", since=None)

    assert (row["cut_ads"], row["cuts"], row["median_cut_percent"]) == (0, 0, None)
