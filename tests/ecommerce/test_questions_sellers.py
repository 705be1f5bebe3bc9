"""The questions ecommerce.seller_ranking and ecommerce.seller."""

from collections import defaultdict
from decimal import Decimal
from statistics import geometric_mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecommerce.models import Offer
from tests import factories
from tests.amounts import descending, percent
from tests.ecommerce import daily, markets
from tests.ecommerce.markets import Price, ask_rows, near
from tests.questions import analysts  # noqa: F401 # a fixture

pytestmark = [
    pytest.mark.django_db(databases=["ecommerce"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]


def ask_for(**parameters):
    return ask_rows("seller_ranking", **parameters)


class Market:
    """The prices of products at their sellers, in one currency."""

    def __init__(self, stored, currency):
        self.stored = stored
        self.keys = defaultdict(set)
        self.prices = {}
        for offer, *_ in stored:
            product = offer.product
            titles = {product.title_normalized} - {None, ""}
            barcodes = {product.barcode, offer.barcode} & set(markets.BARCODES[:3])
            self.keys[product] |= titles | {barcode.zfill(14) for barcode in barcodes}
            price = daily.converted(offer, currency)
            if price is not None and offer.is_available is not False:
                key = (product, offer.seller)
                self.prices[key] = min(price, self.prices.get(key, price))

    def sellers_of(self, products):
        """Return seller → lowest price; an unnamed seller is another one for each product."""
        lowest = {}
        for (product, seller), price in self.prices.items():
            if product in products:
                key = seller or product
                lowest[key] = min(price, lowest.get(key, price))
        return lowest

    def lowest_of(self, product):
        """Return the lowest price of a product, of the keys that several sellers have."""
        sellers = [
            self.sellers_of({other for other in self.keys if key in self.keys[other]})
            for key in self.keys[product]
        ]
        return min((min(prices.values()) for prices in sellers if len(prices) > 1), default=None)

    def same_products(self, product):
        """Return a product and those that have one of its keys."""
        own = self.keys[product]
        return {other for other in self.keys if other == product or own & self.keys[other]}


def days_out(stored, since):
    """Return on how many days of the period an offer was out of stock; None if not observed.

    :param since: the first day of the period, in days before TODAY
    """
    if stored.seen >= min(stored.points[0].day, since):
        return None
    days = daily.by_day(stored.points, until=stored.seen)
    return sum(days[day].is_available is False for day in days if day <= since)


def ranked(market, seller, own):
    """Return the expected row of a seller with these offers."""
    products = {stored.offer.product for stored in own}
    prices = {
        product: (market.prices[product, seller], market.lowest_of(product))
        for product in products
        if (product, seller) in market.prices
    }
    compared = [pair for pair in prices.values() if pair[1] is not None]
    ratios = [price / lowest for price, lowest in compared if lowest]
    above = 100 * (Decimal(geometric_mean(ratios)) - 1) if ratios else None
    cheapest = sum(price == lowest for price, lowest in compared)
    since = 30 + min(stored.seen for stored in market.stored)
    days = [days_out(stored, since) for stored in own]
    days = [count for count in days if count is not None]
    return {
        "seller_id": seller.pk,
        "platform": seller.platform,
        "cheapest": cheapest,
        "cheapest_percent": percent(Decimal(cheapest), len(compared)),
        "compared": len(compared),
        "above_percent": near(above),
        "products": len(products),
        "offers": len(own),
        "sold_out": sum(stored.offer.is_available is False for stored in own),
        "days_out": near(Decimal(sum(days)) / len(days) if days else None),
    }


class TestSellerRanking:
    @markets.EXAMPLES
    @given(markets.drafts(), markets.FILTERS)
    def test_equals_a_computation_from_daily_states(self, drafts, filters):
        market = Market(markets.store(drafts), "UZS")
        offers = defaultdict(list)
        for stored in market.stored:
            if markets.is_chosen(stored.offer, **filters):
                offers[stored.offer.seller].append(stored)
        offers.pop(None, None)
        expected = [ranked(market, seller, own) for seller, own in offers.items()]
        expected.sort(
            key=lambda row: (
                -row["cheapest"],
                descending(row["cheapest_percent"]),
                -row["products"],
                row["seller_id"],
            )
        )

        rows = ask_for(**filters)

        assert markets.narrow(rows, expected) == expected

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
        Offer.objects.update(currency="USD")
        assert ranked() == [("uzum", None), ("ozon", None)]


def position_of(market, product, chosen):
    """Return the expected row of a product of the chosen seller."""
    price = market.prices.get((product, chosen))
    others = market.sellers_of(market.same_products(product))
    others.pop(chosen, None)
    lowest = min(others.values(), default=None)
    has_price = price is not None
    difference = price - lowest if has_price and others else None
    own = [o for o, *_ in market.stored if (o.product, o.seller) == (product, chosen)]
    return {
        "product_id": product.pk,
        "seller_id": chosen.pk,
        "price": price,
        "place": 1 + sum(other < price for other in others.values()) if has_price else None,
        "sellers": 1 + len(others) if has_price else None,
        "lowest": lowest,
        "difference_percent": percent(difference, lowest),
        "offers": len(own),
        "sold_out": sum(offer.is_available is False for offer in own),
    }


class TestSeller:
    @markets.EXAMPLES
    @given(markets.drafts(), st.sampled_from(["UZS", "USD"]))
    def test_equals_a_computation_in_python(self, drafts, currency):
        market = Market(markets.store(drafts), currency)
        for address in ("uzum:0", "ozon:1"):
            own = {offer for offer, *_ in market.stored if markets.address(offer.seller) == address}
            products = {offer.product: offer.seller for offer in own}
            expected = [position_of(market, *pair) for pair in products.items()]
            expected.sort(
                key=lambda row: (descending(row["difference_percent"]), row["product_id"])
            )

            rows = ask_rows("seller", seller=address, currency=currency)

            assert markets.narrow(rows, expected) == expected

    def test_names_the_cheapest_seller(self):
        chosen, other = factories.seller(external_id="7"), factories.seller(name="Cheap")
        product = factories.product()
        markets.add_offer([Price(1, 6)], product=product, seller=chosen)
        factories.offer(product=product, seller=other, price=5)
        factories.offer(product=product, seller=other, price=1, is_available=False)
        factories.offer(platform="ozon", price=5)

        [row] = ask_rows("seller", seller="uzum:7")

        assert (row["place"], row["sellers"], row["lowest"]) == (3, 3, 5)
        assert (row["difference_percent"], row["cheapest_platform"]) == (20, "ozon")
        assert row["cheapest_seller"] is None
        assert ask_rows("seller") == [row]
        assert ask_rows("seller", seller="uzum:8") == []

    def test_is_empty_without_offers(self):
        assert ask_rows("seller") == ask_for() == []
