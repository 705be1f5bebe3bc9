"""The parsed demonstration data of e-commerce at scale 1."""

from collections import Counter, defaultdict
from itertools import pairwise
from statistics import median

import pytest

from ecommerce.demo import feeds, market
from ecommerce.demo.catalog import goods
from ecommerce.records import Category, Offer, Product, Seller
from marketplace.demo import DAYS, END, RATES, START
from marketplace.loading.values import normalize_title
from tests.demo_records import parsed


@pytest.fixture(scope="module")
def visits():
    """Each feed with the parsed items of its documents."""
    return [(feed, list(parsed(feed))) for feed in feeds(1)]


@pytest.fixture(scope="module")
def last(visits):
    """Type of record → platform and external id → its last record."""
    records_by_type = defaultdict(dict)
    for feed, items in visits:
        for item in items:
            for record in item.records:
                records_by_type[type(record)][feed.platform, record.external_id] = record
    return records_by_type


def _states(visits):
    """Return platform and offer → its observations (feed, price, old price, stock) in order."""
    states = defaultdict(list)
    for feed, items in visits:
        for item in items:
            for offer in item.records:
                if isinstance(offer, Offer):
                    state = (feed, offer.price, offer.old_price, offer.is_available)
                    states[feed.platform, offer.external_id].append(state)
    return states


class TestFeeds:
    def test_has_the_documented_number_of_products(self, last):
        expected = {"uzum": 2200, "yandex": 1300, "wildberries": 900, "ozon": 600}

        counts = Counter(platform for platform, _ in last[Product])

        assert counts == pytest.approx(expected, rel=0.05)

    def test_has_the_documented_number_of_offers(self, last):
        assert len(last[Offer]) == pytest.approx(15_000, rel=0.05)

    def test_payloads_state_the_time_of_their_feed(self, visits):
        times = {(p.observed_at, feed.observed_at) for feed, items in visits for p in items}

        stated = [(time, feed_time) for time, feed_time in times if time is not None]

        assert len(stated) > DAYS
        assert all(time == feed_time for time, feed_time in stated)

    def test_first_and_last_feeds_have_every_product(self, visits):
        ids = defaultdict(lambda: defaultdict(set))
        for feed, items in visits:
            ids[feed.platform][feed.observed_at].update(
                r.external_id for p in items for r in p.records if type(r) is Product
            )

        for by_time in ids.values():
            everything = set().union(*by_time.values())
            assert by_time[START] == by_time[END] == everything


class TestPrices:
    def test_feeds_between_first_and_last_day_have_changed_products_only(self, visits):
        same = total = 0
        for states in _states(visits).values():
            for before, after in pairwise(states[:-1]):
                total += 1
                same += before[1:] == after[1:]

        # A price may come out the same after rounding.
        assert total > 25_000
        assert same < total * 0.02

    def test_last_day_repeats_the_price_of_the_last_change(self, visits):
        changed = [
            key
            for key, states in _states(visits).items()
            if len(states) > 1 and states[-1][1:] != states[-2][1:]
        ]

        assert changed == []

    def test_some_prices_fall_by_a_third_permanently(self, visits):
        fallen = [
            key
            for key, states in _states(visits).items()
            if states[-1][1] < states[0][1] * 7 / 10 and states[-1][2] is None
        ]

        assert len(fallen) > 100

    def test_some_products_run_out_and_return(self, visits):
        returned = [
            key
            for key, states in _states(visits).items()
            if [state[3] for state in states].count(False) and states[0][3] and states[-1][3]
        ]

        assert {platform for platform, _ in returned} == {"uzum", "yandex", "wildberries"}

    def test_platforms_agree_on_a_price(self, last):
        title = "iphone 15 pro"
        products = {
            key for key, product in last[Product].items() if normalize_title(product.title) == title
        }
        prices = defaultdict(list)
        for (platform, _), offer in last[Offer].items():
            if (platform, offer.product_external_id) in products:
                prices[platform].append(float(offer.price) * RATES[offer.currency])

        middles = [median(amounts) for amounts in prices.values()]

        assert len(middles) == 4
        assert max(middles) < 1.5 * min(middles)

    def test_discounted_offers_have_an_old_price(self, last):
        discounted = [offer for offer in last[Offer].values() if offer.old_price]

        assert len(discounted) > 150
        assert all(offer.old_price > offer.price for offer in discounted)


class TestProducts:
    def test_many_titles_are_on_several_platforms(self, last):
        platforms = defaultdict(set)
        for (platform, _), product in last[Product].items():
            platforms[normalize_title(product.title)].add(platform)

        shared = [title for title, names in platforms.items() if len(names) > 1]

        assert len(shared) > 400

    def test_titles_are_russian_and_uzbek(self, last):
        uzum = [product for (platform, _), product in last[Product].items() if platform == "uzum"]

        assert all(product.title_ru and product.title_uz for product in uzum)
        assert sum(product.title_ru != product.title_uz for product in uzum) > 1000

    def test_categories_are_three_levels_deep(self, last):
        parents = {
            key: category.parent_external_id and (key[0], category.parent_external_id)
            for key, category in last[Category].items()
        }
        depths = defaultdict(set)
        for key in parents:
            node, depth = key, 0
            while node:
                node, depth = parents[node], depth + 1
            depths[key[0]].add(depth)

        assert {platform: max(levels) for platform, levels in depths.items()} == {
            "uzum": 3,
            "yandex": 3,
            "wildberries": 3,
        }

    def test_names_and_numbers_of_sellers_are_known(self, last):
        rated = [
            s for (platform, _), s in last[Seller].items() if platform in ("uzum", "wildberries")
        ]

        assert len(rated) == 230
        assert all(seller.name and seller.rating for seller in rated)

    def test_barcodes_are_valid_and_the_same_on_all_platforms(self, last):
        platforms = defaultdict(set)
        for (platform, _), offer in last[Offer].items():
            if offer.barcode:
                platforms[offer.barcode].add(platform)

        assert {_check_sum(barcode) for barcode in platforms} == {0}
        assert sum(names == {"uzum", "yandex"} for names in platforms.values()) > 300


def _check_sum(barcode):
    return sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(barcode)) % 10


class TestScale:
    def test_a_larger_scale_has_the_smaller_one_in_it(self):
        assert market.cards("uzum", 200)[:50] == market.cards("uzum", 50)

    def test_copies_of_a_good_are_sold_by_different_shops(self):
        cards = market.cards("uzum", 2200)
        shops = defaultdict(list)
        for card in cards:
            shops[card.good.name].append(market.shop_number(card, 0, 2200, 140))

        assert all(len(set(names)) == len(names) for names in shops.values())

    def test_names_of_goods_are_unique(self):
        names = [good.name.ru for good in goods()]

        assert len(set(names)) == len(names)
