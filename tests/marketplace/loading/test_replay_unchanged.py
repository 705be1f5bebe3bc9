"""Replay of payloads that are parsed as before: it changes no row."""

import json
from datetime import timedelta

import pytest

from ecommerce import models
from ecommerce.models import PricePoint, Product
from marketplace.loading.ingest import ingest, load_documents
from marketplace.loading.replay import replay
from tests.marketplace.loading.misreading import (
    PRODUCTS,
    START,
    double_price,
    load,
    load_days,
    misreading,
    product,
    row_versions,
)

pytestmark = pytest.mark.django_db(databases=["ecommerce"])


@pytest.fixture(autouse=True)
def _no_gates(settings):
    """Disable the gates, which would hold misread payloads."""
    settings.INGEST_GATES = {"default": {"is_enabled": False}}


def load_text(tmp_path, number, **overrides):
    """Load a product in which "X" is replaced by a number."""
    path = tmp_path / "numbers.jsonl"
    path.write_text(json.dumps(product(1, 0, **overrides)).replace('"X"', number))
    ingest("uzum", [str(path)], observed_at=START)


class TestCorrectPayloads:
    def test_changes_no_row(self):
        load_days()
        load(0)
        before = row_versions()

        summary = replay("uzum")

        assert (summary.created, summary.updated, summary.unchanged) == (0, 0, len(PRODUCTS))
        assert summary.price_points == 0
        assert row_versions() == before

    def test_changes_no_row_after_late_days(self):
        load_days((3, 0, 4, 1, 2))
        before = row_versions()

        replay("uzum")

        assert row_versions() == before

    @pytest.mark.parametrize("numbers", [(1, 2), (2, 1)])
    @pytest.mark.parametrize(
        ("days", "step"), [((0, 0), 500), ((0, 1), 500), ((1, 0), 500), ((0, 1), 1), ((1, 0), 1)]
    )
    def test_changes_no_row_if_two_products_claim_an_offer(self, numbers, days, step, monkeypatch):
        """Of two products with the same time, the later one keeps the offer, as in a load."""
        monkeypatch.setattr("marketplace.loading.replay._STEP", step)
        documents = []
        for number, at in zip(numbers, days, strict=True):
            contested = [{"id": 7, "purchasePrice": 100 * number, "availableAmount": 1}]
            moment = (START + timedelta(days=at)).isoformat()
            documents.append(product(number, at, skuList=contested) | {"timestamp": moment})
        load_documents("uzum", documents)
        before = row_versions()

        replay("uzum")

        assert row_versions() == before

    def test_the_second_time_changes_no_row(self, monkeypatch):
        with misreading(monkeypatch, double_price):
            load_days()
        replay("uzum")
        before = row_versions()

        replay("uzum")

        assert row_versions() == before

    @pytest.mark.parametrize("number", ["1" + "0" * 25, "-1" + "0" * 25, "1e400", "1" * 5000])
    def test_parses_numbers_beyond_64_bits_as_the_load_did(self, tmp_path, number):
        load_text(tmp_path, number, title="X", more="X")
        before = row_versions()
        [stored] = Product.objects.all()

        replay("uzum")

        assert row_versions() == before
        assert stored.title == number

    def test_a_payload_that_a_replay_would_reject_is_rejected_by_the_load(self, tmp_path):
        load_text(tmp_path, "1" * 250, seller={"id": "X", "title": "Malika"})

        assert not Product.objects.exists()
        assert "longer than 200 characters" in models.QuarantinedRecord.objects.get().reason

    def test_ends_completed(self):
        load_days(range(1))

        summary = replay("uzum")

        run = models.LoadRun.objects.get(pk=summary.run_id)
        assert (run.status, run.source) == (models.LoadRun.Status.COMPLETED, "replay")


def test_prices_whose_decimal_mark_other_prices_determined_are_kept(tmp_path):
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
