"""Quarantine: a record that cannot be loaded does not affect the other ones."""

import json
from datetime import timedelta

import pytest
import zstandard

from ecommerce.models import PricePoint, Product, QuarantinedRecord
from marketplace.exceptions import PayloadError
from marketplace.loading.adapters import Adapter
from marketplace.loading.ingest import ingest
from tests.marketplace.loading.cards import NOON, card, counts, load
from tests.marketplace.loading.reviewing import release_records

pytestmark = pytest.mark.django_db(databases=["ecommerce"])


def _refusing(payload):
    """Return a replacement of `Adapter.parse` that rejects one payload."""
    parse = Adapter.parse

    def refuse(self, item):
        if item.payload == payload:
            raise PayloadError("is odd")
        return parse(self, item)

    return refuse


class TestQuarantine:
    def test_one_bad_record_does_not_affect_the_others(self):
        bad = card(2, skuList=[{"id": 20, "sellPrice": -5}])

        summary = load(card(1), bad, card(3))

        assert counts(summary) == (3, 2, 0, 0, 1)
        record = QuarantinedRecord.objects.get()
        assert record.field == "skuList[].sellPrice"
        assert record.reason == "-5 is negative"
        assert record.source == "-: payload 2"
        assert json.loads(zstandard.decompress(bytes(record.payload))) == bad

    def test_a_release_keeps_the_path_of_the_file(self, tmp_path):
        path = tmp_path / "cards.json"
        path.write_text(json.dumps(card(2) | {"productId": None}))
        ingest("uzum", [str(path)])
        source = QuarantinedRecord.objects.get().source

        release_records("uzum")

        assert source.startswith(f"{path}: ")
        assert QuarantinedRecord.objects.get().source == source

    def test_a_record_without_an_id_names_the_field(self):
        load(card(1), card(2) | {"productId": None})

        assert QuarantinedRecord.objects.get().reason == "is missing"
        assert QuarantinedRecord.objects.get().field == "productId"

    def test_a_record_that_the_database_refuses_is_isolated(self):
        # More words than a tsvector accepts, which only the server detects.
        huge = " ".join(f"слово{n}" for n in range(150_000))

        summary = load(*[card(n) for n in range(1, 8)], card(8, title=huge))

        assert counts(summary) == (8, 7, 0, 0, 1)
        assert Product.objects.count() == 7
        record = QuarantinedRecord.objects.get()
        assert (record.external_id, record.field) == ("8", "title")
        assert "refused by the database" in record.reason

    def test_a_record_that_is_rejected_again_is_only_counted(self):
        bad = card(2) | {"productId": None}

        load(bad)
        load(bad, at=NOON + timedelta(hours=1))

        assert QuarantinedRecord.objects.get().seen_count == 2

    def test_equal_records_of_one_batch_are_counted(self):
        bad = card(2) | {"productId": None}

        summary = load(bad, card(3) | {"productId": None}, bad)

        assert counts(summary) == (3, 0, 0, 0, 3)
        assert sorted(record.seen_count for record in QuarantinedRecord.objects.all()) == [1, 2]
        assert "-: payload 3" in {record.source for record in QuarantinedRecord.objects.all()}

    def test_a_record_that_was_rejected_at_several_times_is_released_for_each(self, monkeypatch):
        """An adapter rejects the price of Monday, which is the same on Wednesday."""
        with monkeypatch.context() as context:
            context.setattr(Adapter, "parse", _refusing(card(1, price=5)))
            for day, price in enumerate((5, 7, 5)):
                load(card(1, price=price), at=NOON + timedelta(days=day))

        release_records("uzum")

        points = PricePoint.objects.order_by("recorded_at").values_list("recorded_at", "price")
        assert list(points) == [(NOON + timedelta(days=n), (5, 7, 5)[n]) for n in range(3)]
        assert not QuarantinedRecord.objects.exists()
        assert Product.objects.get().last_seen_at == NOON + timedelta(days=2)

    def test_a_payload_of_another_platform_is_recognized(self):
        summary = load({"data": {"products": [{"id": 1, "salePriceU": 5}]}})

        assert counts(summary) == (1, 0, 0, 0, 1)
        assert summary.needs_attention
        assert "it looks like WB-V1 of wildberries" in QuarantinedRecord.objects.get().reason

    def test_nul_characters_in_a_payload_do_not_stop_its_storage(self, tmp_path):
        path = tmp_path / "cards.jsonl"
        path.write_text(json.dumps(card(1, title="a\0b\ud800c")) + "\n" + json.dumps(card(2)))

        summary = ingest("uzum", [str(path)])

        assert counts(summary) == (2, 2, 0, 0, 0)
        assert Product.objects.get(external_id="1").title == "ab\ufffdc"

    @pytest.mark.parametrize(
        "overrides",
        [
            {"title": "a\0b"},
            {"title": "a\ud800"},
            {"a\0key": 1},
            {"badges": [{"text": "\0"}]},
            {"extra": 10**30},
        ],
    )
    def test_payloads_in_memory_are_cleaned(self, overrides):
        assert counts(load(card(1), card(2, **overrides), card(3))) == (3, 3, 0, 0, 0)

    @pytest.mark.parametrize(
        "overrides",
        [
            {"rating": "1E+999999999"},
            {"feedbackQuantity": "1E+999999999"},
            {"extra": json.loads("[" * 600 + "]" * 600)},
            {"minSellPrice": "9999999999999999.999"},
        ],
    )
    def test_an_unstorable_value_rejects_only_its_record(self, overrides):
        assert counts(load(card(1), card(2, **overrides), card(3))) == (3, 2, 0, 0, 1)

    def test_a_too_long_id_rejects_only_its_record(self):
        head = {"date": None, "name": "s" * 190, "company": None, "url": None, "comment": ""}
        offer = {"@id": "1" * 190, "name": ["TV"], "price": ["5"], "currencyId": ["KZT"]}

        summary = load({"yml_catalog": head, "offer": offer}, platform="yandex")

        assert counts(summary) == (1, 0, 0, 0, 1)

    def test_a_large_record_loads(self, tmp_path):
        path = tmp_path / "cards.jsonl"
        path.write_text(
            json.dumps(card(1)) + "\n" + json.dumps(card(2, description="x" * 30_000_000))
        )

        assert ingest("uzum", [str(path)]).created == 2
