"""The questions ecommerce.seller_ranking and ecommerce.seller."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from random import Random
from statistics import median

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

BARCODES = ["4006381333931", "73513537"]

#: The period, in days before SEEN, and its begin.
FIRST = 20
SINCE = (SEEN - FIRST * DAY).replace(hour=0) - timedelta(hours=5)


def ask_for(**parameters):
    since = timezone.localdate(SEEN - FIRST * DAY).isoformat()
    return answer("ecommerce.seller_ranking", **{"since": since, **parameters})


def near(value):
    return None if value is None else pytest.approx(value, abs=Decimal("0.011"))


def seconds_out(points):
    """Return for how many seconds of the period an offer was out of stock."""
    total = 0
    for point, following in zip(points, [*points[1:], Price(0, 0)], strict=True):
        begins, ends = SEEN - point.day * DAY, SEEN - following.day * DAY
        if point.is_available is False and ends > SINCE:
            total += (ends - max(begins, SINCE)).total_seconds()
    return total


def add_offers(random):
    """Store random offers of a few products; yield them with their points."""
    sellers = [factories.seller() for _ in range(4)]
    for number in range(60):
        product = factories.product(
            title_normalized=random.choice([f"title {number % 12}", None, ""]),
            barcode=random.choice([None, None, *BARCODES]),
        )
        for _ in range(random.randint(1, 2)):
            points = pricing.random_prices(random, 40)
            offer = pricing.add_offer(
                points,
                product=product,
                seller=random.choice([*sellers, None]),
                first_seen_at=SEEN - points[0].day * DAY,
            )
            yield offer, points


def prices_of(stored):
    """Return (product, seller) → price in UZS of its cheapest offer that is not sold out."""
    prices = {}
    for offer, _ in stored:
        price = pricing.convert(offer.price, offer.currency)
        if offer.is_available is not False and price is not None:
            key = (offer.product, offer.seller_id)
            prices[key] = min(price, prices.get(key, price))
    return prices


def keys_of(product):
    return {value for value in (product.title_normalized, product.barcode) if value}


class TestSellerRanking:
    @pytest.mark.parametrize("seed", range(2))
    def test_equals_a_computation_in_python(self, seed):
        pricing.add_rates()
        stored = list(add_offers(Random(seed)))
        prices = prices_of(stored)
        markets = defaultdict(list)
        for (product, seller), price in prices.items():
            for key in keys_of(product):
                markets[key].append((seller or -product.pk, price))
        lowest = {
            key: min(price for _, price in entries)
            for key, entries in markets.items()
            if len({seller for seller, _ in entries}) > 1
        }
        distances = defaultdict(list)
        for (product, seller), price in prices.items():
            known = [lowest[key] for key in keys_of(product) if key in lowest]
            if known:
                distances[seller].append(100 * (price - min(known)) / min(known))

        rows = ask_for()

        assert {row["seller_id"] for row in rows} == {o.seller_id for o, _ in stored} - {None}
        for row in rows:
            own = [pair for pair in stored if pair[0].seller_id == row["seller_id"]]
            distance = distances[row["seller_id"]]
            cheapest = distance.count(0)
            observed = [points for offer, points in own if offer.first_seen_at < SEEN]
            days = sum(map(seconds_out, observed)) / 86400 / len(observed)
            assert row["offers"] == len(own)
            assert row["products"] == len({offer.product_id for offer, _ in own})
            assert row["sold_out"] == sum(offer.is_available is False for offer, _ in own)
            assert (row["compared"], row["cheapest"]) == (len(distance), cheapest)
            assert row["cheapest_percent"] == near(Decimal(100 * cheapest) / len(distance))
            assert row["above_percent"] == near(median(distance))
            assert float(row["days_out"]) == pytest.approx(days, abs=0.011)
        ranks = [(row["cheapest"], row["cheapest_percent"]) for row in rows]
        assert ranks == sorted(ranks, reverse=True)

    def test_a_seller_without_competitors_is_not_compared(self):
        seller = factories.seller()
        product = factories.product()
        factories.offer(product=product, seller=seller, price=5)
        factories.offer(product=product, seller=seller, price=9, is_available=False)

        [row] = ask_for()

        assert (row["offers"], row["sold_out"], row["compared"], row["cheapest"]) == (2, 1, 0, 0)
        assert row["cheapest_percent"] is row["above_percent"] is row["days_out"] is None

    def test_filters_rank_against_all_sellers(self):
        category = factories.category(path_names="A > B")
        products = [factories.product(category=category), factories.product(platform="ozon")]
        for product, price in zip(products, (6, 5), strict=True):
            seller = factories.seller(platform=product.platform)
            factories.offer(product=product, platform=product.platform, seller=seller, price=price)

        def ranked(**parameters):
            return [(row["platform"], row["above_percent"]) for row in ask_for(**parameters)]

        assert ranked() == [("ozon", 0), ("uzum", 20)]
        assert ranked(platform="uzum") == ranked(category="A") == [("uzum", 20)]
        assert ranked(category="B") == []
        assert ranked(currency="USD") == [("uzum", None), ("ozon", None)]


class TestSeller:
    @pytest.mark.parametrize("seed", range(2))
    def test_equals_a_computation_in_python(self, seed):
        pricing.add_rates()
        stored = list(add_offers(Random(seed)))
        prices = prices_of(stored)
        chosen = next(offer.seller for offer, _ in stored if offer.seller)
        expected = {}
        for product in {offer.product for offer, _ in stored if offer.seller == chosen}:
            own = prices.get((product, chosen.pk))
            others = defaultdict(list)
            for (other, seller), price in prices.items():
                is_same = other == product or keys_of(other) & keys_of(product)
                if is_same and seller != chosen.pk:
                    others[seller or -other.pk].append(price)
            lowest = min((min(known) for known in others.values()), default=None)
            difference = own and lowest and 100 * (own - lowest) / lowest
            cheaper = sum(min(known) < own for known in others.values()) if own else 0
            ranks = (cheaper + 1, len(others) + 1) if own else (None, None)
            offers = [o for o, _ in stored if (o.product, o.seller) == (product, chosen)]
            sold_out = sum(offer.is_available is False for offer in offers)
            expected[product.pk] = (own, *ranks, lowest, difference, len(offers), sold_out)

        rows = answer("ecommerce.seller", seller=f"uzum:{chosen.external_id}")

        assert {row["product_id"] for row in rows} == set(expected)
        names = ("price", "place", "sellers", "lowest", "difference_percent", "offers", "sold_out")
        for row in rows:
            values = expected[row["product_id"]]
            assert [row[name] for name in names] == list(map(near, values)), row
        keys = [
            (row["difference_percent"] is None, -(row["difference_percent"] or 0)) for row in rows
        ]
        assert keys == sorted(keys)

    def test_names_the_cheapest_seller(self):
        chosen, other = factories.seller(external_id="7"), factories.seller(name="Cheap")
        product = factories.product()
        pricing.add_offer([Price(1, 6)], product=product, seller=chosen)
        factories.offer(product=product, seller=other, price=5)
        factories.offer(product=product, seller=other, price=1, is_available=False)
        factories.offer(platform="ozon", price=5)

        [row] = answer("ecommerce.seller", seller="uzum:7")

        assert (row["place"], row["sellers"], row["lowest"]) == (3, 3, 5)
        assert (row["difference_percent"], row["cheapest_platform"]) == (20, "ozon")
        assert row["cheapest_seller"] is None
        assert answer("ecommerce.seller") == [row]
        assert answer("ecommerce.seller", seller="uzum:8") == []

    def test_is_empty_without_offers(self):
        assert answer("ecommerce.seller") == ask_for() == []
