"""Days on the market, compared with a computation in Python and with a textbook."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given

from tests import factories
from tests.amounts import local_day, text_order
from tests.classifieds import random_ads
from tests.questions import analysts, answer  # noqa: F401
from tests.strategies import examples

pytestmark = [
    pytest.mark.django_db(databases=["classifieds"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]

DAY = timedelta(days=1)


def survival(spells):
    """Return the estimate of Kaplan and Meier: day → share that is still online.

    :param spells: pairs of a number of days and whether the ad was gone after them
    """
    share, shares = Fraction(1), {}
    for day in sorted({days for days, _ in spells}):
        at_risk = sum(days >= day for days, _ in spells)
        gone = sum(days == day and is_gone for days, is_gone in spells)
        shares[day] = share = share * (1 - Fraction(gone, at_risk))
    return shares


def row_of(key, spells, days):
    shares = survival(spells)
    until = [share for day, share in shares.items() if day <= days]
    is_observed = max(shares) >= days or min(shares.values()) == 0
    reached = {
        part: min((day for day, share in shares.items() if share <= part), default=None)
        for part in (Fraction(3, 4), Fraction(1, 2), Fraction(1, 4))
    }
    return {
        "name": key,
        "quarter_days": reached[Fraction(3, 4)],
        "median_days": reached[Fraction(1, 2)],
        "three_quarters_days": reached[Fraction(1, 4)],
        "online_percent": float(100 * (until[-1] if until else 1)) if is_observed else None,
        "gone": sum(is_gone for _, is_gone in spells),
        "ads": len(spells),
    }


def spell_of(ad, events, outcome):
    """Return how many days an ad was online, and whether it was gone then."""
    start = ad.posted_at or ad.first_seen_at
    end = random_ads.end_of(ad, events)
    is_gone = end is not None and (outcome == "gone" or ad.status == "sold")
    return max(0, ((end or ad.last_seen_at) - start) // DAY), is_gone


@examples
@given(random_ads.ads_with_events())
@example(random_ads.edge_cases())
def test_equals_a_computation(ads_and_events):
    ads, events = ads_and_events
    random_ads.store(ads, events)

    for by, outcome, days, first, last in (
        ("category", "gone", 10, date(2026, 8, 1), date(2026, 9, 30)),
        ("city", "sold", 45, date(2026, 8, 21), date(2026, 8, 21)),
        ("district", "sold", 1, date(2026, 8, 1), date(2026, 9, 30)),
        ("price_band", "gone", 0, date(2026, 8, 1), date(2026, 9, 30)),
    ):
        posted = [ad for ad in ads if first <= local_day(ad.posted_at or ad.first_seen_at) <= last]
        wanted = [
            row_of(key, [spell_of(ad, events, outcome) for ad in members], days)
            for key, members in random_ads.group(posted, by).items()
        ]
        wanted.sort(
            key=lambda row: (
                row["median_days"] is None,
                row["median_days"] or 0,
                -row["ads"],
                text_order(row["name"]),
            )
        )

        rows = answer(
            "classifieds.days_on_market",
            by=by,
            outcome=outcome,
            days=days,
            since=first,
            until=last,
        )

        for row, exact in zip(rows, wanted, strict=True):
            share = exact.pop("online_percent")
            shown = row.pop("online_percent")
            assert (shown is None) == (share is None)
            assert shown is None or abs(float(shown) - share) < 0.006
        assert rows == wanted


@pytest.mark.parametrize(
    ("spells", "days", "median", "share"),
    [
        # Freireich and others (1963), remission of leukemia in weeks: 6-MP, and placebo; the
        # estimates are printed in Kleinbaum and Klein, "Survival Analysis", chapter 2.
        (
            "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+",
            16,
            23,
            "62.75",
        ),
        ("1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23", 8, 8, "38.10"),
    ],
)
def test_textbook_examples_of_kaplan_and_meier(spells, days, median, share):
    for spell in spells.split():
        factories.listing(
            status="active" if spell.endswith("+") else "removed",
            last_seen_at=factories.SEEN + int(spell.rstrip("+")) * DAY,
        )

    (row,) = answer("classifieds.days_on_market", since=None, days=days)

    assert (row["median_days"], row["online_percent"]) == (median, Decimal(share))


def test_ads_that_are_online_have_no_median():
    factories.listing(last_seen_at=factories.SEEN + 5 * DAY)

    (row,) = answer("classifieds.days_on_market", since=None, days=5)
    assert (row["median_days"], row["online_percent"], row["gone"]) == (None, 100, 0)

    (row,) = answer("classifieds.days_on_market", since=None, days=6)
    assert row["online_percent"] is None
