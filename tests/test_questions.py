"""Three queries of users on demonstration data, compared with a computation in Python."""

from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal

import pytest
from django.db import connections

from classifieds.models import Listing
from ecommerce.models import Offer
from marketplace import demo
from procurement.models import Lot

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds", "procurement"])

SAME_PRODUCT = """
SELECT p.title, o.price, s.name AS seller_name, o.platform
FROM ecommerce_offers o JOIN ecommerce_products p ON o.product_id = p.id JOIN ecommerce_sellers s ON o.seller_id = s.id
WHERE p.title_normalized = 'iphone 15 pro' ORDER BY o.price ASC;
"""  # noqa: E501

CHEAP_CARS = """
SELECT title, price, brand, model, year, mileage, location FROM classifieds_listings
WHERE category_path LIKE 'transport/cars%' AND city = 'Tashkent' AND price < 20000000 AND status = 'active' ORDER BY posted_at DESC;
"""  # noqa: E501

SAVINGS = """
SELECT category_name, COUNT(*) AS lot_count, SUM(start_cost) AS total_budget, SUM(deal_cost) AS total_spent,
       SUM(start_cost - deal_cost) AS total_savings, ROUND(AVG((start_cost - deal_cost) / start_cost * 100), 2) AS avg_savings_percent
FROM procurement_lots WHERE status = 'completed' AND start_cost > 0 AND deal_cost > 0
GROUP BY category_name ORDER BY total_savings DESC;
"""  # noqa: E501


def some(feed):
    """Yield the product of the first query, and every tenth other document."""
    for number, document in enumerate(feed.documents):
        if number < 50 or number % 10 == 0 or "iphone 15 pro" in str(document).lower():
            yield document


@pytest.fixture(scope="module")
def _demo(django_db_setup, django_db_blocker):
    """Load demonstration data once for the module, and delete it afterwards."""
    # The last feed of a platform has all products that are sold, and all active ads.
    feeds = {
        (feed.platform, feed.name if feed.platform == "uzex" else ""): feed._replace(
            documents=some(feed) if feed.platform in ("uzum", "yandex", "ozon") else feed.documents
        )
        for feed in demo.feeds(1)
    }
    with django_db_blocker.unblock():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(demo, "feeds", lambda scale: feeds.values())
            list(demo.load(1))
        yield
        for alias in ("ecommerce", "classifieds", "procurement"):
            with connections[alias].cursor() as cursor:
                tables = connections[alias].introspection.django_table_names(only_existing=True)
                names = ", ".join(name for name in tables if name.startswith(f"{alias}_"))
                cursor.execute(f"TRUNCATE {names} CASCADE")


def rows(alias, query):
    with connections[alias].cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


@pytest.mark.usefixtures("_demo")
class TestQuestions:
    def test_the_same_product_on_several_platforms(self):
        offers = [
            (offer.product.title, offer.price, offer.seller.name, offer.platform)
            for offer in Offer.objects.select_related("product", "seller")
            if offer.product.title_normalized == "iphone 15 pro" and offer.seller
        ]

        result = rows("ecommerce", SAME_PRODUCT)

        assert len({platform for *_, platform in result}) >= 3
        assert [price for _, price, _, _ in result] == sorted(price for _, price, _, _ in offers)
        assert sorted(result, key=repr) == sorted(offers, key=repr)

    def test_cheap_cars_in_a_city(self):
        cars = [
            listing
            for listing in Listing.objects.all()
            if (listing.category_path or "").startswith("transport/cars")
            and listing.city == "Tashkent"
            and listing.price is not None
            and listing.price < 20_000_000
            and listing.status == "active"
        ]
        cars.sort(key=lambda car: car.posted_at, reverse=True)

        result = rows("classifieds", CHEAP_CARS)

        assert len(result) >= 20
        assert sorted(result, key=repr) == sorted(
            [(c.title, c.price, c.brand, c.model, c.year, c.mileage, c.location) for c in cars],
            key=repr,
        )

    def test_savings_by_category(self):
        deals = defaultdict(list)
        for lot in Lot.objects.filter(status="completed"):
            if lot.start_cost and lot.deal_cost:
                deals[lot.category_name].append((lot.start_cost, lot.deal_cost))

        result = rows("procurement", SAVINGS)

        assert {row[0] for row in result} == set(deals)
        for name, count, budget, spent, savings, percent in result:
            costs = deals[name]
            shares = [(start - deal) / start * 100 for start, deal in costs]
            average = (sum(shares) / len(shares)).quantize(Decimal("0.01"), ROUND_HALF_UP)
            assert (count, budget, spent) == (
                len(costs),
                sum(start for start, _ in costs),
                sum(deal for _, deal in costs),
            )
            assert savings == budget - spent
            assert percent == average
        assert [row[4] for row in result] == sorted((row[4] for row in result), reverse=True)
