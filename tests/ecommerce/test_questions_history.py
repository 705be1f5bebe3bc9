"""The question ecommerce.price_history."""

from collections import defaultdict
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import factories
from tests.amounts import convert, find_rate_day, local_day
from tests.ecommerce import daily, markets
from tests.ecommerce.markets import Price, ask_rows, date_of
from tests.factories import SEEN
from tests.questions import analysts  # noqa: F401 # a fixture

pytestmark = [
    pytest.mark.django_db(databases=["ecommerce"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]

#: The period, in days before TODAY.
FIRST, LAST = 60, 3


def ask_for(**parameters):
    period = {"since": date_of(FIRST), "until": date_of(LAST)}
    return ask_rows("price_history", **period | parameters)


def shown(stored, target):
    """Yield time and columns of each price of an offer that is in effect within the period."""
    days = daily.by_day(daily.valid(stored.points), until=-1)
    for day in range(FIRST, LAST - 1, -1):
        point = days.get(day)
        if point and (day == FIRST or point.day == day):
            observed = local_day(markets.at(point.day))
            yield (
                markets.at(day),
                {
                    "offer": markets.address(stored.offer),
                    "price": point.price,
                    "currency": point.currency,
                    "old_price": point.old_price,
                    "is_available": point.is_available,
                    "converted_price": convert(point.price, point.currency, observed, target),
                    "rate_day": find_rate_day(point.currency, observed, target),
                },
            )


def same_products(drafts):
    """Return the drafts, as one product on several platforms."""
    return drafts._replace(products=[draft._replace(title="choynak") for draft in drafts.products])


class TestPriceHistory:
    @markets.EXAMPLES
    @given(markets.drafts().map(same_products), st.sampled_from(["UZS", "USD"]))
    def test_a_line_for_each_offer(self, drafts, currency):
        expected = [
            {"line": columns["offer"], "at": at, **columns}
            for stored in markets.store(drafts)
            for at, columns in shown(stored, currency)
        ]
        expected.sort(key=lambda row: (row["line"], row["at"]))

        rows = ask_for(product=f"{drafts.products[0].platform}:0", currency=currency)

        assert markets.narrow(rows, expected) == expected

    @markets.EXAMPLES
    @given(markets.drafts().map(same_products), st.sampled_from(["UZS", "USD"]))
    def test_a_line_for_each_platform(self, drafts, currency):
        lines = defaultdict(list)
        for stored in markets.store(drafts):
            lines[stored.offer.platform].append(dict(shown(stored, currency)))
        expected = []
        for platform, series in sorted(lines.items()):
            for moment in sorted({at for points in series for at in points}):
                in_effect = [
                    points[max(at for at in points if at <= moment)]
                    for points in series
                    if min(points, default=SEEN) <= moment
                ]
                available = [row for row in in_effect if row["is_available"] is not False]
                prices = [row["converted_price"] for row in available]
                lowest = min((price for price in prices if price is not None), default=None)
                expected.append({"line": platform, "at": moment, "converted_price": lowest})

        rows = ask_for(
            product=f"{drafts.products[0].platform}:0", line_per="platform", currency=currency
        )

        assert markets.narrow(rows, expected) == expected

    def test_chooses_an_offer_a_platform_or_the_newest_change(self):
        older = markets.add_offer([Price(90, 5), Price(9, 5)])
        newest = markets.add_offer(
            [Price(8, 5)], product=factories.product(external_id="7", title_normalized="piyola")
        )

        assert {row["line"] for row in ask_for(offer=markets.address(older))} == {
            markets.address(older)
        }
        assert {row["line"] for row in ask_for(line_per="platform")} == {"uzum"}
        assert {row["line"] for row in ask_for()} == {markets.address(newest)}
        assert ask_for() == ask_for(product="uzum:7")
        assert ask_for(platform="ozon") == []
        assert ask_for(offer="uzum:none") == ask_for(product="uzum:none") == []

    def test_without_a_begin_shows_all(self):
        offer = markets.add_offer([Price(900, Decimal(5)), Price(800, Decimal(5), "USD")])

        rows = ask_for(offer=f"uzum:{offer.external_id}", since="", currency="UZS")

        assert [(row["at"], row["converted_price"], row["rate_day"]) for row in rows] == [
            (markets.at(900), 5, None),
            (markets.at(800), None, None),
        ]

    def test_is_empty_without_prices(self):
        assert ask_for() == ask_for(line_per="platform") == []
