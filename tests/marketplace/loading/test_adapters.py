"""What becomes of payloads that an adapter was not prepared for."""

import json
from dataclasses import replace

import pytest

from ecommerce.models import Product, QuarantinedRecord
from ecommerce.platforms import uzum
from marketplace.exceptions import PayloadError
from marketplace.loading.adapters import Adapter, Item, Parsed, Shape, Source
from marketplace.loading.ingest import ingest
from tests.marketplace.loading.test_mutations import uzum as product


def split(document, source):
    for number in document["numbers"]:
        yield Item("T", {"number": 10 / number})


def parse(payload, context):
    return Parsed(str(payload["number"]), [])


ADAPTER = Adapter("uzum", (Shape("T", lambda document: "numbers" in document, split, parse),))


class TestFaults:
    def test_of_parsing_tell_what_and_where(self):
        with pytest.raises(PayloadError) as caught:
            ADAPTER.parse(Item("T", {"title": "a"}))

        assert "the adapter failed: KeyError: 'number' (test_adapters.py, line" in str(caught.value)

    def test_of_splitting_come_after_the_items_before(self):
        items = ADAPTER.split({"numbers": [1, 0, 2]}, Source())

        assert next(items).payload == {"number": 10}
        with pytest.raises(PayloadError, match="ZeroDivisionError"):
            next(items)

    def test_that_the_adapter_tells_stay_as_they_are(self):
        with pytest.raises(PayloadError, match="expected an object"):
            ADAPTER.split([], Source())

    @pytest.mark.django_db(databases=["ecommerce"])
    def test_cost_one_record(self, tmp_path, monkeypatch):
        [card] = [each for each in uzum.SHAPES if each.name == "UZ-GQL-CARD"]

        def fragile(payload, context):
            if payload["productId"] == 2:
                payload = payload["no such key"]
            return card.parse(payload, context)

        monkeypatch.setattr(uzum, "SHAPES", (replace(card, parse=fragile),))
        path = tmp_path / "three.jsonl"
        path.write_text("\n".join(json.dumps(product(number)) for number in (1, 2, 3)))

        summary = ingest("uzum", [str(path)])

        assert (summary.created, summary.rejected) == (2, 1)
        assert set(Product.objects.values_list("external_id", flat=True)) == {"1", "3"}
        [record] = QuarantinedRecord.objects.all()
        assert "the adapter failed: KeyError: 'no such key'" in record.reason
