"""What is out of stock and has no price any more: the offer stays, with its last price."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations

import pytest
from django.db import connections

from ecommerce.models import Offer, PricePoint, Product
from marketplace.loading.ingest import ingest, load_documents
from marketplace.loading.replay import replay
from tests import payloads
from tests.content import empty

pytestmark = pytest.mark.django_db(databases=["ecommerce"])

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def wildberries(price, stock):
    size = {"optionId": 70, "stocks": [{"qty": stock}] if stock else []}
    if price:
        size["price"] = {"product": price * 100}
    product = {"id": 7, "name": "Choynak", "supplierId": 1, "totalQuantity": stock}
    product["sizes"] = [size]
    return {"data": {"products": [product]}}


def wildberries_without_sizes(price, stock):
    document = wildberries(price, stock)
    if not stock:
        document["data"]["products"][0]["sizes"] = []
    return document


def wildberries_without_stocks(price, stock):
    document = wildberries(price, stock)
    document["data"]["products"][0]["sizes"][0].pop("stocks")
    return document


def uzum(price, stock):
    sku = {"id": 70, "purchasePrice": price, "availableAmount": stock}
    return {"payload": {"data": {"id": 7, "title": "Choynak", "skuList": [sku]}}}


def uzum_without_skus(price, stock):
    document = uzum(price, stock)
    if not stock:
        document["payload"]["data"]["skuList"] = []
    return document


def feed(price, stock):
    offer = {"@id": "7", "name": ["Choynak"], "currencyId": ["UZS"], "quantity": [str(stock)]}
    offer |= {"price": [str(price)]}
    return {"yml_catalog": {"name": "Shop"}, "offer": offer}


def feed_that_says_so(price, stock):
    offer = {"@id": "7", "name": ["Choynak"], "@available": str(stock > 0).lower()}
    offer |= {"price": [str(price)], "currencyId": ["UZS"], "quantity": [str(stock)]}
    return {"yml_catalog": {"name": "Shop"}, "offer": offer}


def page(price, stock):
    record = {"productId": 7, "offerId": "70", "price": {"value": price, "currency": "UZS"}}
    state = "InStock" if stock else "OutOfStock"
    block = {
        "@type": "Product",
        "url": "https://market.yandex.uz/product--x/7",
        "offers": {"availability": f"https://schema.org/{state}"},
    }
    return {"json_ld": [block], "offers": [record] if stock else []}


def tile(price, stock):
    return {
        "product_url": "/product/choynak-7/",
        "product_name": "Choynak",
        "final_price": str(price or ""),
        "delivery_time": "Завтра" if stock else "Похожие",
    }


def stock_feed(price, stock):
    outlets = [{"outlet": [{"@instock": str(stock)}]}]
    offer = {"@id": "7", "price": [str(price or "")], "outlets": outlets}
    return {"yml_catalog": {"name": "Shop"}, "offer": offer}


WAYS = [
    ("wildberries", wildberries),
    ("wildberries", wildberries_without_sizes),
    ("wildberries", wildberries_without_stocks),
    ("uzum", uzum),
    ("uzum", uzum_without_skus),
    ("yandex", feed),
    ("yandex", feed_that_says_so),
    ("yandex", page),
    ("ozon", tile),
    ("ozon", stock_feed),
]
each_way = pytest.mark.parametrize(
    ("platform", "document"), WAYS, ids=lambda way: getattr(way, "__name__", None)
)


def load(platform, document, day):
    summary = load_documents(platform, [document], observed_at=START + day * DAY)
    assert (summary.rejected, summary.held) == (0, 0)
    return summary


def points():
    found = PricePoint.objects.order_by("recorded_at")
    return [((each.recorded_at - START).days, int(each.price), each.is_available) for each in found]


@each_way
class TestEachWay:
    def test_the_offer_becomes_unavailable_and_keeps_its_price(self, platform, document):
        load(platform, document(100, 5), 0)
        summary = load(platform, document(0, 0), 1)

        offer = Offer.objects.get()
        assert (offer.price, offer.is_available, offer.stock_quantity) == (100, False, 0)
        assert points()[1:] == [(1, 100, False)]
        assert (summary.updated, summary.price_points) == (1, 1)

    def test_it_comes_back(self, platform, document):
        load(platform, document(100, 5), 0)
        load(platform, document(0, 0), 1)
        load(platform, document(0, 0), 2)
        load(platform, document(120, 3), 3)

        assert [(day, price) for day, price, _ in points()] == [(0, 100), (1, 100), (3, 120)]
        assert Offer.objects.get().price == 120

    def test_the_order_of_arrival_changes_nothing(self, platform, document):
        days = [(0, 0), (100, 5), (0, 0), (110, 5), (110, 5), (0, 0)]
        for day in (5, 1, 2, 0, 4, 3):
            load(platform, document(*days[day]), day)

        found = [(day, price) for day, price, _ in points()]
        assert found == [(1, 100), (2, 100), (3, 110), (5, 110)]
        offer = Offer.objects.get()
        assert (offer.price, offer.is_available, offer.stock_quantity) == (110, False, 0)
        assert offer.scraped_at == START + 5 * DAY

    def test_without_any_price_there_is_no_offer(self, platform, document):
        load(platform, document(0, 0), 0)

        assert not Offer.objects.exists()
        assert Product.objects.get().is_available in (False, None)

    def test_a_replay_finds_it(self, platform, document):
        load(platform, document(100, 5), 0)
        load(platform, document(0, 0), 1)
        before = points()
        # As an earlier version left it.
        PricePoint.objects.filter(recorded_at__gt=START).delete()
        Offer.objects.update(is_available=True, stock_quantity=5, scraped_at=START)

        assert replay(platform).rejected == 0

        offer = Offer.objects.get()
        assert (points(), offer.is_available, offer.stock_quantity) == (before, False, 0)


class TestSeveralOffers:
    def test_only_the_one_without_stock_is_unavailable(self):
        skus = [
            {"id": 70, "purchasePrice": 100, "availableAmount": 1},
            {"id": 71, "purchasePrice": 200, "availableAmount": 1},
        ]
        data = {"id": 7, "title": "Choynak", "skuList": skus}
        load("uzum", {"payload": {"data": data}}, 0)
        data["skuList"] = [skus[0], {"id": 71, "purchasePrice": None, "availableAmount": 0}]
        load("uzum", {"payload": {"data": data}}, 1)

        found = dict(Offer.objects.values_list("external_id", "is_available"))
        assert found == {"70": True, "71": False}
        assert Product.objects.get().max_price == 100

    def test_an_offer_that_is_not_told_of_beside_others_is_left_alone(self):
        skus = [{"id": n, "purchasePrice": 100, "availableAmount": 1} for n in (70, 71)]
        load("uzum", {"payload": {"data": {"id": 7, "title": "a", "skuList": skus}}}, 0)
        load("uzum", {"payload": {"data": {"id": 7, "title": "a", "skuList": skus[:1]}}}, 1)

        assert Offer.objects.filter(is_available=True).count() == 2

    def test_a_product_says_nothing_of_offers_where_one_of_them_is_observed(self):
        """Whatever comes late: one file has two records of the product, one of them sold out."""

        def card(price, *numbers):
            skus = [{"id": n, "purchasePrice": price, "availableAmount": 1} for n in numbers]
            return {"payload": {"data": {"id": 7, "title": "a", "skuList": skus}}}

        days = {
            0: [card(100, 70, 71)],
            2: [card(110, 70, 71)],
            4: [card(120, 70), card(0)],
            6: [card(130, 70, 71)],
        }
        found = []
        for order in ((0, 2, 4, 6), (0, 4, 2, 6), (0, 4, 6, 2), (4, 0, 6, 2)):
            for day in order:
                load_documents("uzum", days[day], observed_at=START + day * DAY)
            rows = PricePoint.objects.order_by("offer__external_id", "recorded_at").values_list(
                "offer__external_id", "recorded_at", "price", "is_available"
            )
            found.append([(key, (at - START).days, int(p), a) for key, at, p, a in rows])
            with connections["ecommerce"].cursor() as cursor:
                empty(cursor, "ecommerce")

        assert found == [
            [
                ("70", 0, 100, True),
                ("70", 2, 110, True),
                ("70", 4, 120, True),
                ("70", 6, 130, True),
                ("71", 0, 100, True),
                ("71", 2, 110, True),
                ("71", 6, 130, True),
            ]
        ] * len(found)


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
    def test_what_is_out_of_stock_keeps_its_price(self, tmp_path, fields, gone):
        self.load(tmp_path, fields, "100;да;3", gone, "100;да;3")

        assert points() == [(0, 100, True), (1, 100, False), (2, 100, True)]

    def test_a_row_without_a_price_that_does_not_say_so_tells_of_no_offer(self, tmp_path):
        self.load(tmp_path, 'is_available = "avail"', "100;да;3", ";;")

        assert points() == [(0, 100, True)]


class TestCases:
    def test_a_search_of_wildberries(self):
        for day, name in enumerate(("a7-wb-1.json", "a7-wb-2.json")):
            ingest("wildberries", [str(case(name))], observed_at=START + day * DAY)

        assert points() == [(0, 1000, True), (1, 1000, False)]

    def test_a_price_list(self):
        for number in (1, 2, 3):
            ingest("yandex", [str(case(f"a7-yml-{number}.xml"))])

        assert [point.price for point in PricePoint.objects.all()] == [Decimal(500)] * 2
        offer = Offer.objects.get()
        assert (offer.is_available, offer.stock_quantity) == (False, 0)

    def test_a_table(self):
        for number in (1, 2):
            columns = str(case("a6-map.toml"))
            ingest("wildberries", [str(case(f"a7-csv-{number}.csv"))], columns=columns)

        found = PricePoint.objects.order_by("recorded_at").values_list("price", "is_available")
        assert list(found) == [(500, True), (500, False)]
        assert Offer.objects.get().stock_quantity == 0


def case(name):
    """Return a file beside the payloads, or skip the test where they are absent."""
    path = payloads.ROOT.parent / "cases" / name
    if not path.is_file():
        pytest.skip(f"there is no {path}")
    return path


def offer(available, quantity=None, price=100):
    """Return an offer of a price list that tells its availability, and maybe a quantity."""
    told = {"@id": "7", "name": ["Choynak"], "@available": str(available).lower()}
    told["currencyId"] = ["UZS"]
    if price is not None:
        told["price"] = [str(price)]
    if quantity is not None:
        told["quantity"] = [str(quantity)]
    return {"yml_catalog": {"name": "Shop"}, "offer": told}


class TestQuantity:
    """The quantity is that of the newest observation that tells of the stock."""

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
        return list(enumerate(offer(*told) for told in days)), expected

    def check(self, expected):
        found, product = Offer.objects.get(), Product.objects.get()
        assert (found.is_available, found.stock_quantity) == expected
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
        told = [
            document | {"yml_catalog": {"name": "Shop", "date": f"2026-03-0{day + 1} 09:00"}}
            for day, document in days
        ]
        load_documents("yandex", told)
        self.check(expected)

    def test_after_a_replay(self, case):
        days, expected = case
        for day, document in days:
            load("yandex", document, day)
        Offer.objects.update(stock_quantity=5)
        Product.objects.update(total_available=5)

        assert replay("yandex").rejected == 0

        self.check(expected)

    def test_the_history_has_what_was_told(self):
        for day, told in enumerate([(True, 7), (False, None, None), (True,)]):
            load("yandex", offer(*told), day)

        found = PricePoint.objects.order_by("recorded_at").values_list("available_amount")
        assert [amount for (amount,) in found] == [7, 0, None]
