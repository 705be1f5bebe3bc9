"""Replaying: what an adapter misread is put right, as if it had always been read so."""

import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

import pytest
from django.db import connections, transaction
from psycopg2.sql import SQL, Identifier

from classifieds.models import Listing, ListingEvent
from classifieds.platforms import olx
from ecommerce import models
from ecommerce.models import Category, Offer, PricePoint, Product, Seller
from ecommerce.platforms import uzum
from ecommerce.records import Offer as OfferRecord
from ecommerce.records import Product as ProductRecord
from marketplace.exceptions import PayloadError, SourceError
from marketplace.loading.ingest import ingest, load_documents
from marketplace.loading.replay import replay
from tests import content

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds"])

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
DAYS = 5
PRODUCTS = range(1, 6)


@pytest.fixture(autouse=True)
def _open(settings):
    """Let everything pass: what is misread here is so for good."""
    settings.INGEST_GATES = {"default": {"is_enabled": False}}


def product(number, at, **overrides):
    """A product of Uzum with two SKUs, whose prices and stock change from day to day."""
    skus = [
        {
            "id": number * 10 + n,
            "purchasePrice": 1000 * number + n + 10 * (at // 2),
            "fullPrice": 2000 * number,
            "availableAmount": (number + at + n) % 3,
        }
        for n in range(2)
    ]
    said = {
        "id": number,
        "title": f"Choynak {number} elektr",
        "category": {"id": 9, "title": "Choynaklar", "parent": {"id": 1, "title": "Uy"}},
        "seller": {"id": 5, "title": f"Malika {at}", "link": "malika", "rating": 4.5},
        "reviewsAmount": at,
        "totalAvailableAmount": sum(sku["availableAmount"] for sku in skus),
        "skuList": skus,
    }
    return {"payload": {"data": said | overrides}}


def load(at, numbers=PRODUCTS, **overrides):
    documents = [product(number, at, **overrides) for number in numbers]
    summary = load_documents("uzum", documents, observed_at=START + timedelta(days=at))
    assert not (summary.rejected or summary.held)


def load_days(days=range(DAYS)):
    for at in days:
        load(at)


@contextmanager
def undone():
    """Take back what happens inside."""
    with transaction.atomic(using="ecommerce"):
        yield
        transaction.set_rollback(True, using="ecommerce")


def told():
    """Return what the tables say."""
    with connections["ecommerce"].cursor() as cursor:
        return content.content(cursor)


def told_rightly(days=range(DAYS)):
    """Return what the tables say if everything is read right from the start."""
    with undone():
        load_days(days)
        return told()


def reading(parse):
    """Return the forms of Uzum, the one of products as a function reads it."""
    [first, *others] = uzum.SHAPES
    read = partial(parse, first.parse)
    return (replace(first, parse=read), *others)


def edited(edit):
    """Return the forms of Uzum, each record of a product as a function makes it."""

    def parse(known, payload, context):
        parsed = known(payload, context)
        return parsed._replace(records=[edit(record) for record in parsed.records])

    return reading(parse)


def double(record):
    """Read a price of one SKU as twice what it is."""
    if isinstance(record, OfferRecord) and record.external_id == "10":
        return record._replace(price=record.price * 2)
    return record


def cut(record):
    """Read a part of a title only."""
    if isinstance(record, ProductRecord):
        return record._replace(title=record.title[:4])
    return record


def rate(record):
    """Read a rating where there is none."""
    return record._replace(rating=Decimal(5)) if isinstance(record, ProductRecord) else record


FAULTS = {
    "a price": double,
    "a title": cut,
    "a rating": rate,
    "all of it": lambda record: rate(cut(double(record))),
}


@contextmanager
def misreading(monkeypatch, edit):
    with monkeypatch.context() as patch:
        patch.setattr(uzum, "SHAPES", edited(edit))
        yield


def load_text(tmp_path, number, **overrides):
    """Load a product with a number of any size wherever it says "X"."""
    path = tmp_path / "numbers.jsonl"
    path.write_text(json.dumps(product(1, 0, **overrides)).replace('"X"', number))
    ingest("uzum", [str(path)], observed_at=START)


def written():
    """Return which transaction wrote each row, and where it is."""
    found = {}
    with connections["ecommerce"].cursor() as cursor:
        for model in (Seller, Category, Product, Offer, PricePoint):
            cursor.execute(
                SQL("SELECT id, xmin::text, tableoid, ctid::text FROM {}").format(
                    Identifier(model._meta.db_table)
                )
            )
            found[model.__name__] = sorted(cursor.fetchall())
    return found


class TestMisread:
    @pytest.mark.parametrize("edit", FAULTS.values(), ids=FAULTS)
    def test_ends_as_if_read_right_from_the_start(self, edit, monkeypatch):
        expected = told_rightly()
        with misreading(monkeypatch, edit):
            load_days()
        assert content.differences(expected, told())

        summary = replay("uzum")

        assert (summary.read, summary.rejected, summary.why_failed) == (len(PRODUCTS), 0, "")
        assert content.differences(expected, told()) == []

    def test_some_days_only(self, monkeypatch):
        expected = told_rightly()
        load_days(range(2))
        with misreading(monkeypatch, double):
            load_days(range(2, 4))
        load_days(range(4, DAYS))

        replay("uzum")

        assert content.differences(expected, told()) == []

    def test_days_in_any_order(self, monkeypatch):
        days = (3, 0, 4, 1, 2)
        expected = told_rightly(days)
        with misreading(monkeypatch, double):
            load_days(days)

        replay("uzum")

        assert content.differences(expected, told()) == []

    def test_says_what_it_changed(self, monkeypatch):
        with misreading(monkeypatch, double):
            load_days()

        summary = replay("uzum")

        assert (summary.created, summary.updated, summary.unchanged) == (0, 1, 4)

    def test_what_is_not_read_any_more_is_unknown(self, monkeypatch):
        with misreading(monkeypatch, rate):
            load_days()
        assert not Product.objects.filter(rating=None).exists()

        replay("uzum")

        assert Product.objects.filter(rating=None).count() == len(PRODUCTS)

    def test_what_one_version_told_stays(self):
        load(0, description="Suv qaynatadi")
        load(1)

        replay("uzum")

        found = set(Product.objects.values_list("description", "review_count"))
        assert found == {("Suv qaynatadi", 1)}


class TestSound:
    def test_changes_no_row(self):
        load_days()
        load(0)
        before = written()

        summary = replay("uzum")

        assert (summary.created, summary.updated, summary.unchanged) == (0, 0, len(PRODUCTS))
        assert summary.price_points == 0
        assert written() == before

    def test_changes_no_row_when_days_came_late(self):
        load_days((3, 0, 4, 1, 2))
        before = written()

        replay("uzum")

        assert written() == before

    @pytest.mark.parametrize("numbers", [(1, 2), (2, 1)])
    @pytest.mark.parametrize(
        ("days", "step"), [((0, 0), 500), ((0, 1), 500), ((1, 0), 500), ((0, 1), 1), ((1, 0), 1)]
    )
    def test_changes_no_row_when_products_claim_an_offer(self, numbers, days, step, monkeypatch):
        """Of two that tell of it at one moment, the later one counts, as when they were loaded."""
        monkeypatch.setattr("marketplace.loading.replay._STEP", step)
        documents = []
        for number, at in zip(numbers, days, strict=True):
            contested = [{"id": 7, "purchasePrice": 100 * number, "availableAmount": 1}]
            when = (START + timedelta(days=at)).isoformat()
            documents.append(product(number, at, skuList=contested) | {"timestamp": when})
        load_documents("uzum", documents)
        before = written()

        replay("uzum")

        assert written() == before

    def test_the_second_time_changes_no_row(self, monkeypatch):
        with misreading(monkeypatch, double):
            load_days()
        replay("uzum")
        before = written()

        replay("uzum")

        assert written() == before

    @pytest.mark.parametrize("number", ["1" + "0" * 25, "-1" + "0" * 25, "1e400", "1" * 5000])
    def test_reads_numbers_beyond_64_bits_as_they_were_loaded(self, tmp_path, number):
        load_text(tmp_path, number, title="X", more="X")
        before = written()
        [stored] = Product.objects.all()

        replay("uzum")

        assert written() == before
        assert stored.title == number

    def test_what_it_would_refuse_is_refused_when_it_is_loaded(self, tmp_path):
        load_text(tmp_path, "1" * 250, seller={"id": "X", "title": "Malika"})

        assert not Product.objects.exists()
        assert "longer than 200 characters" in models.QuarantinedRecord.objects.get().reason

    def test_ends_completed(self):
        load_days(range(1))

        summary = replay("uzum")

        run = models.LoadRun.objects.get(pk=summary.run_id)
        assert (run.status, run.source) == (models.LoadRun.Status.COMPLETED, "replay")


class TestUnreadable:
    @pytest.fixture
    def refuse(self, monkeypatch):
        """Refuse the versions that have a description."""

        def parse(known, payload, context):
            if payload.get("description"):
                raise PayloadError("is not understood", "description")
            return known(payload, context)

        def refuse():
            monkeypatch.setattr(uzum, "SHAPES", reading(parse))

        return refuse

    def test_what_only_such_a_version_told_stays(self, refuse):
        load(0, description="Suv qaynatadi")
        load(1)
        before = told()
        refuse()

        summary = replay("uzum")

        assert summary.rejected == len(PRODUCTS)
        assert set(Product.objects.values_list("description", flat=True)) == {"Suv qaynatadi"}
        after = told()
        assert {each["reason"] for each in after.pop("QuarantinedRecord").values()} == {
            "is not understood"
        }
        del before["QuarantinedRecord"]
        assert content.differences(before, after) == []

    def test_what_can_be_read_is_put_right_all_the_same(self, refuse, monkeypatch):
        with misreading(monkeypatch, cut):
            load(0, description="Suv qaynatadi")
            load(1)
        refuse()

        replay("uzum")

        found = Product.objects.get(external_id="1")
        assert (found.title, found.description) == ("Choynak 1 elektr", "Suv qaynatadi")


class TestListings:
    @pytest.fixture
    def misread(self, monkeypatch):
        """Load ads of which one price is read as ten times what it is."""
        [state, offers, *others] = olx.SHAPES

        def parse(payload, context):
            parsed = offers.parse(payload, context)
            *parents, listing = parsed.records
            if listing.external_id == "1":
                listing = listing._replace(price=listing.price * 10)
            return parsed._replace(records=[*parents, listing])

        def misread(*prices):
            with monkeypatch.context() as patch:
                patch.setattr(olx, "SHAPES", (state, replace(offers, parse=parse), *others))
                load_ads(*prices)

        return misread

    def test_a_price_is_put_right_without_an_event(self, misread):
        misread(500, 600)
        before = list(ListingEvent.objects.order_by("pk").values())

        summary = replay("olx")

        assert (summary.updated, summary.unchanged) == (1, 1)
        assert set(Listing.objects.values_list("price", flat=True)) == {600}
        assert list(ListingEvent.objects.order_by("pk").values()) == before

    def test_what_time_ended_stays_ended(self):
        load_ads(500)
        Listing.objects.filter(external_id="1").update(status="expired")

        replay("olx")

        assert Listing.objects.get(external_id="1").status == "expired"
        assert Listing.objects.get(external_id="2").status == "active"


def load_ads(*prices):
    """Load two ads, each price on a day of its own."""
    for at, price in enumerate(prices):
        value = {"value": price, "currency": "UZS"}
        ads = [
            {
                "id": number,
                "title": f"Divan {number}",
                "created_time": START.isoformat(),
                "url": f"https://www.olx.uz/d/{number}",
                "status": "active",
                "params": [{"key": "price", "value": value}],
            }
            for number in (1, 2)
        ]
        load_documents("olx", ads, observed_at=START + timedelta(days=at))


class TestForms:
    """A product that lists and its own page tell of, each in its own form."""

    def card(self, at, **overrides):
        said = {"productId": 1, "title": "Choynak 1 elektr", "ordersQuantity": 70 + at}
        said |= {"skuList": [{"id": 10, "sellPrice": 5000 + at}], "minSellPrice": 5000 + at}
        load_documents("uzum", [said | overrides], observed_at=START + timedelta(days=at))

    def load(self):
        load(0, [1])
        self.card(1)
        load(2, [1])
        self.card(3)

    def test_replay_changes_no_row(self):
        self.load()
        before = written()

        replay("uzum")

        assert written() == before

    def test_what_one_of_them_misread_is_put_right(self, monkeypatch):
        with undone():
            self.load()
            expected = told()
        with misreading(monkeypatch, double):
            self.load()

        replay("uzum")

        assert content.differences(expected, told()) == []


class TestRefusals:
    def test_a_database_without_payloads(self):
        with pytest.raises(SourceError, match="uzex cannot be replayed"):
            replay("uzex")


def test_prices_that_the_other_prices_of_a_feed_settled_stay(tmp_path):
    offers = "".join(
        f'<offer id="{number}"><name>A</name><price>{price}</price>'
        "<currencyId>RUR</currencyId></offer>"
        for number, price in enumerate(["1.600", "2.300.000"])
    )
    path = tmp_path / "feed.xml"
    path.write_text(f"<yml_catalog><shop><name>S</name>{offers}</shop></yml_catalog>")
    ingest("yandex", [str(path)])

    replay("yandex")

    prices = PricePoint.objects.order_by("offer__external_id").values_list("price", flat=True)
    assert list(prices) == [1600, 2300000]
