"""Replay: payloads that an adapter misread are corrected, as if they had been read right."""

from datetime import timedelta

import pytest

from ecommerce.models import Product
from ecommerce.platforms import uzum
from marketplace.exceptions import PayloadError, SourceError
from marketplace.loading.ingest import load_documents
from marketplace.loading.replay import replay
from tests import content
from tests.marketplace.loading.days import rolled_back
from tests.marketplace.loading.misreading import (
    DAYS,
    PRODUCTS,
    START,
    add_rating,
    correct_content,
    double_price,
    load,
    load_days,
    misreading,
    row_versions,
    shapes_with,
    shorten_title,
    stored_content,
)

pytestmark = pytest.mark.django_db(databases=["ecommerce"])


@pytest.fixture(autouse=True)
def _no_gates(settings):
    """Disable the gates, which would hold misread payloads."""
    settings.INGEST_GATES = {"default": {"is_enabled": False}}


FAULTS = {
    "a price": double_price,
    "a title": shorten_title,
    "a rating": add_rating,
    "all of them": lambda record: add_rating(shorten_title(double_price(record))),
}


class TestMisreadPayloads:
    @pytest.mark.parametrize("edit", FAULTS.values(), ids=FAULTS)
    def test_are_corrected(self, edit, monkeypatch):
        expected = correct_content()
        with misreading(monkeypatch, edit):
            load_days()
        assert content.differences(expected, stored_content())

        summary = replay("uzum")

        assert (summary.read, summary.rejected, summary.error_message) == (len(PRODUCTS), 0, "")
        assert content.differences(expected, stored_content()) == []

    def test_of_some_days_are_corrected(self, monkeypatch):
        expected = correct_content()
        load_days(range(2))
        with misreading(monkeypatch, double_price):
            load_days(range(2, 4))
        load_days(range(4, DAYS))

        replay("uzum")

        assert content.differences(expected, stored_content()) == []

    def test_of_days_in_any_order_are_corrected(self, monkeypatch):
        days = (3, 0, 4, 1, 2)
        expected = correct_content(days)
        with misreading(monkeypatch, double_price):
            load_days(days)

        replay("uzum")

        assert content.differences(expected, stored_content()) == []

    def test_are_counted_as_updated(self, monkeypatch):
        with misreading(monkeypatch, double_price):
            load_days()

        summary = replay("uzum")

        assert (summary.created, summary.updated, summary.unchanged) == (0, 1, 4)

    def test_a_value_that_is_not_parsed_any_more_becomes_unknown(self, monkeypatch):
        with misreading(monkeypatch, add_rating):
            load_days()
        assert not Product.objects.filter(rating=None).exists()

        replay("uzum")

        assert Product.objects.filter(rating=None).count() == len(PRODUCTS)

    def test_a_value_of_an_older_version_is_kept(self):
        load(0, description="Suv qaynatadi")
        load(1)

        replay("uzum")

        values = set(Product.objects.values_list("description", "review_count"))
        assert values == {("Suv qaynatadi", 1)}


class TestUnparsableVersions:
    @pytest.fixture
    def refuse(self, monkeypatch):
        """Return a function that lets the adapter reject versions with a description."""

        def parse(original, payload, context):
            if payload.get("description"):
                raise PayloadError("is not understood", "description")
            return original(payload, context)

        def refuse():
            monkeypatch.setattr(uzum, "SHAPES", shapes_with(parse))

        return refuse

    def test_their_values_are_kept(self, refuse):
        load(0, description="Suv qaynatadi")
        load(1)
        before = stored_content()
        refuse()

        summary = replay("uzum")

        assert summary.rejected == len(PRODUCTS)
        assert set(Product.objects.values_list("description", flat=True)) == {"Suv qaynatadi"}
        after = stored_content()
        assert {row["reason"] for row in after.pop("QuarantinedRecord").values()} == {
            "is not understood"
        }
        del before["QuarantinedRecord"]
        assert content.differences(before, after) == []

    def test_the_other_versions_are_corrected(self, refuse, monkeypatch):
        with misreading(monkeypatch, shorten_title):
            load(0, description="Suv qaynatadi")
            load(1)
        refuse()

        replay("uzum")

        corrected = Product.objects.get(external_id="1")
        assert (corrected.title, corrected.description) == ("Choynak 1 elektr", "Suv qaynatadi")


class TestShapes:
    """A product in payloads of two shapes: product lists and its own page."""

    def card(self, at, **overrides):
        data = {"productId": 1, "title": "Choynak 1 elektr", "ordersQuantity": 70 + at}
        data |= {"skuList": [{"id": 10, "sellPrice": 5000 + at}], "minSellPrice": 5000 + at}
        load_documents("uzum", [data | overrides], observed_at=START + timedelta(days=at))

    def load(self):
        load(0, [1])
        self.card(1)
        load(2, [1])
        self.card(3)

    def test_a_replay_changes_no_row(self):
        self.load()
        before = row_versions()

        replay("uzum")

        assert row_versions() == before

    def test_misread_values_of_one_shape_are_corrected(self, monkeypatch):
        with rolled_back():
            self.load()
            expected = stored_content()
        with misreading(monkeypatch, double_price):
            self.load()

        replay("uzum")

        assert content.differences(expected, stored_content()) == []


class TestRefusals:
    def test_a_database_without_payloads(self):
        with pytest.raises(SourceError, match="uzex cannot be replayed"):
            replay("uzex")
