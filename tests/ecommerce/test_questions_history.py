"""The question ecommerce.price_history."""

from datetime import timedelta
from decimal import Decimal
from random import Random

import pytest
from django.utils import timezone

from tests import factories
from tests.ecommerce import pricing
from tests.ecommerce.pricing import DAY, Price
from tests.factories import SEEN
from tests.questions import analysts, answer  # noqa: F401 # a fixture

pytestmark = [
    pytest.mark.django_db(databases=["ecommerce"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]

#: The period, in days before SEEN.
FIRST, LAST = 60, 3

#: Midnight in Tashkent, at the begin of the period.
SINCE = (SEEN - FIRST * DAY).replace(hour=0) - timedelta(hours=5)


def ask_for(**parameters):
    return answer(
        "ecommerce.price_history",
        **{"since": date_of(FIRST), "until": date_of(LAST), **parameters},
    )


def date_of(days):
    return timezone.localdate(SEEN - days * DAY).isoformat()


def shown(prices):
    """Yield the prices in effect within the period, each with its time."""
    valid = [point for point in prices if not point.is_outlier]
    for point, following in zip(valid, [*valid[1:], None], strict=True):
        at = SEEN - point.day * DAY
        if point.day >= LAST and (following is None or SEEN - following.day * DAY > SINCE):
            yield max(at, SINCE), point


@pytest.fixture
def offers():
    """Offers of the same product on two platforms, with their prices."""
    random = Random(1)
    pricing.add_rates()
    stored = {}
    for number in range(12):
        platform = random.choice(["uzum", "ozon"])
        product = factories.product(platform=platform, external_id=str(number))
        prices = pricing.random_prices(random, 100)
        stored[pricing.add_offer(prices, product=product, platform=platform)] = prices
    return stored


class TestPriceHistory:
    def test_a_line_for_each_offer(self, offers):
        platform = next(iter(offers)).platform

        rows = ask_for(product=f"{platform}:0")

        expected = [
            (
                f"{offer.platform}:{offer.external_id}",
                at,
                point.price,
                point.currency,
                point.old_price,
                pricing.convert(point.price, point.currency, point.day),
            )
            for offer, prices in offers.items()
            for at, point in shown(prices)
        ]
        names = ("line", "at", "price", "currency", "old_price", "converted_price")
        assert [tuple(row[name] for name in names) for row in rows] == sorted(
            expected, key=lambda row: row[:2]
        )
        assert all(row["offer"] == row["line"] for row in rows)
        assert SINCE in {row["at"] for row in rows}

    def test_a_line_for_each_platform(self, offers):
        platform = next(iter(offers)).platform
        expected = []
        for name in ("ozon", "uzum"):
            series = [list(shown(prices)) for o, prices in offers.items() if o.platform == name]
            for moment in sorted({at for points in series for at, _ in points}):
                in_effect = [
                    [point for at, point in points if at <= moment][-1:] for points in series
                ]
                prices = [
                    (converted is None, converted, point.price)
                    for [point] in filter(None, in_effect)
                    if point.is_available is not False
                    for converted in [pricing.convert(point.price, point.currency, point.day)]
                ]
                known = [entry for entry in prices if not entry[0]]
                expected.append((name, moment, min(known)[1] if known else None))

        rows = ask_for(product=f"{platform}:0", line_per="platform")

        assert [(row["line"], row["at"], row["converted_price"]) for row in rows] == expected

    def test_chooses_an_offer_a_platform_or_the_newest_change(self, offers):
        pricing.add_offer([Price(200, Decimal(5))])
        chosen = next(iter(offers))
        address = f"{chosen.platform}:{chosen.external_id}"
        newest = min(offers, key=lambda offer: (offers[offer][-1].day, -offer.pk))

        assert {row["line"] for row in ask_for(offer=address)} <= {address}
        assert {row["line"] for row in ask_for(platform="ozon", line_per="platform")} == {"ozon"}
        assert ask_for() == ask_for(product=f"{newest.platform}:{newest.product.external_id}")
        assert ask_for(offer="uzum:none") == ask_for(product="uzum:none") == []

    def test_without_a_begin_shows_all(self):
        offer = pricing.add_offer([Price(900, Decimal(5)), Price(800, Decimal(5), "USD")])

        rows = ask_for(offer=f"uzum:{offer.external_id}", since="", currency="UZS")

        assert [(row["at"], row["converted_price"], row["rate_day"]) for row in rows] == [
            (SEEN - 900 * DAY, 5, None),
            (SEEN - 800 * DAY, None, None),
        ]

    def test_is_empty_without_prices(self):
        assert ask_for() == ask_for(line_per="platform") == []
