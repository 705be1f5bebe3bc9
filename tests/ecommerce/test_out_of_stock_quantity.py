"""Offers that are out of stock in tables, and with quantities."""

from itertools import permutations

import pytest
from django.db import connections

from ecommerce.models import Offer, PricePoint, Product
from marketplace.loading.ingest import ingest, load_documents
from marketplace.loading.replay import replay
from tests.content import empty
from tests.ecommerce.out_of_stock import DAY, START, load, points

pytestmark = pytest.mark.django_db(databases=["ecommerce"])


class TestTables:
    MAPPING = """
    [table]
    observed_at = { column = "t" }
    [product]
    external_id = "id"
    [offer]
    external_id = "id"
    price = "price"
    currency = { constant = "RUB" }
    """

    def load(self, tmp_path, fields, *rows):
        (tmp_path / "map.toml").write_text(self.MAPPING + fields)
        for day, row in enumerate(rows):
            at = (START + day * DAY).isoformat()
            path = tmp_path / f"{day}.csv"
            path.write_text(f"id;price;avail;qty;t\n7;{row};{at}\n")
            assert ingest("wildberries", [str(path)], columns=str(tmp_path / "map.toml")).read == 1

    @pytest.mark.parametrize(
        ("fields", "gone"),
        [
            ('is_available = "avail"', ";нет в наличии;"),
            ('stock_quantity = "qty"', ";;0"),
            ('is_available = "avail"\nstock_quantity = "qty"', ";1;0"),
        ],
    )
    def test_offer_out_of_stock_keeps_its_price(self, tmp_path, fields, gone):
        self.load(tmp_path, fields, "100;да;3", gone, "100;да;3")

        assert points() == [(0, 100, True), (1, 100, False), (2, 100, True)]

    def test_row_without_price_and_availability_is_no_observation(self, tmp_path):
        self.load(tmp_path, 'is_available = "avail"', "100;да;3", ";;")

        assert points() == [(0, 100, True)]


def offer(available, quantity=None, price=100):
    """Return an offer of a price list with an availability, and optionally a quantity."""
    fields = {"@id": "7", "name": ["Choynak"], "@available": str(available).lower()}
    fields["currencyId"] = ["UZS"]
    if price is not None:
        fields["price"] = [str(price)]
    if quantity is not None:
        fields["quantity"] = [str(quantity)]
    return {"yml_catalog": {"name": "Shop"}, "offer": fields}


class TestQuantity:
    """The quantity is that of the newest observation of the stock."""

    CASES = (
        ([(False, 0), (True,)], (True, None)),
        ([(True, 7), (False, None, None), (True,)], (True, None)),
        ([(True, 7), (False,), (True,)], (True, None)),
        ([(True, 7), (False,)], (False, 0)),
        ([(True, 7), (False, None, None)], (False, 0)),
        ([(False,), (True, 7), (False,)], (False, 0)),
        ([(True, 7), (False, 0), (True, 3)], (True, 3)),
    )

    @pytest.fixture(params=CASES, ids=str)
    def case(self, request):
        days, expected = request.param
        return list(enumerate(offer(*fields) for fields in days)), expected

    def check(self, expected):
        offer, product = Offer.objects.get(), Product.objects.get()
        assert (offer.is_available, offer.stock_quantity) == expected
        assert (product.is_available, product.total_available) == expected

    def test_in_any_order(self, case):
        days, expected = case
        for order in permutations(days):
            for day, document in order:
                load("yandex", document, day)
            self.check(expected)
            with connections["ecommerce"].cursor() as cursor:
                empty(cursor, "ecommerce")

    def test_in_one_batch(self, case):
        days, expected = case
        documents = [
            document | {"yml_catalog": {"name": "Shop", "date": f"2026-03-0{day + 1} 09:00"}}
            for day, document in days
        ]
        load_documents("yandex", documents)
        self.check(expected)

    def test_after_a_replay(self, case):
        days, expected = case
        for day, document in days:
            load("yandex", document, day)
        Offer.objects.update(stock_quantity=5)
        Product.objects.update(total_available=5)

        assert replay("yandex").rejected == 0

        self.check(expected)

    def test_history_has_the_observed_quantities(self):
        for day, fields in enumerate([(True, 7), (False, None, None), (True,)]):
            load("yandex", offer(*fields), day)

        stored = PricePoint.objects.order_by("recorded_at").values_list("available_amount")
        assert [amount for (amount,) in stored] == [7, 0, None]
