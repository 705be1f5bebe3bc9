"""Faults of adapters: payloads that they do not expect, and modules that cannot be imported."""

import json
from dataclasses import replace

import pytest

from ecommerce.models import Product, QuarantinedRecord
from ecommerce.platforms import uzum, wildberries
from marketplace.exceptions import PayloadError, SourceError
from marketplace.loading.adapters import Adapter, Item, Parsed, Shape, Source, get_adapter
from marketplace.loading.ingest import ingest
from tests.marketplace.loading.test_mutations import uzum as product


def split(document, source):
    for number in document["numbers"]:
        yield Item("T", {"number": 10 / number})


def parse(payload, context):
    return Parsed(str(payload["number"]), [])


ADAPTER = Adapter("uzum", (Shape("T", lambda document: "numbers" in document, split, parse),))


TILE = {"product_url": "/product/a-1/", "product_name": "a", "final_price": "5"}


class TestFaults:
    def test_of_parsing_name_error_and_line(self):
        with pytest.raises(PayloadError) as caught:
            ADAPTER.parse(Item("T", {"title": "a"}))

        assert "the adapter failed: KeyError: 'number' (test_adapters.py, line" in str(caught.value)

    def test_of_splitting_are_raised_after_the_earlier_items(self):
        items = ADAPTER.split({"numbers": [1, 0, 2]}, Source())

        assert next(items).payload == {"number": 10}
        with pytest.raises(PayloadError, match="ZeroDivisionError"):
            next(items)

    def test_that_the_adapter_raises_are_unchanged(self):
        with pytest.raises(PayloadError, match="expected an object"):
            ADAPTER.split([], Source())

    def test_of_an_unknown_shape_list_the_keys_in_its_envelopes(self):
        document = {"payload": {"data": {"id": 1, "title": "A", "seller": {}}}, "timestamp": 5}

        with pytest.raises(PayloadError) as caught:
            ADAPTER.split(document, Source())

        assert caught.value.reason == (
            "not a known shape of uzum (keys: payload, timestamp; in payload: data; in "
            "payload.data: id, title, seller; in payload.data.seller: none)"
        )

    def test_of_recognizing_are_errors_of_the_adapter(self):
        broken = Adapter("uzum", (replace(ADAPTER.shapes[0], recognize=lambda doc: doc["a"]),))

        with pytest.raises(
            PayloadError, match=r"the adapter failed: KeyError: 'a' \(test_adapters"
        ):
            broken.split({"b": 1}, Source())

    @pytest.mark.parametrize(
        "broken", [None, "SHAPES", (replace(ADAPTER.shapes[0], recognize=int),)]
    )
    def test_of_another_platform_do_not_prevent_a_load(self, monkeypatch, broken):
        monkeypatch.setattr(wildberries, "SHAPES", broken)

        with pytest.raises(
            PayloadError, match=r"not a known shape of uzum .*; it looks like OZ-CSV"
        ):
            get_adapter("uzum").split(TILE, Source())
        with pytest.raises(PayloadError, match="not a known shape of ozon"):
            get_adapter("ozon").split({"b": 1}, Source())

    def test_of_the_module_name_its_file(self, monkeypatch):
        monkeypatch.setattr(uzum, "SHAPES", uzum.SHAPES[0])

        with pytest.raises(SourceError, match=r"SHAPES of ecommerce/platforms/uzum.py must be a"):
            get_adapter("uzum")

    @pytest.mark.parametrize(("entry", "name"), [("x", "text"), (None, "null"), (5, "a number")])
    def test_of_an_entry_that_is_not_an_object_name_its_type(self, entry, name):
        with pytest.raises(PayloadError, match=f"expected an object, got {name}"):
            ADAPTER.parse(Item("T", entry))

    @pytest.mark.django_db(databases=["ecommerce"])
    def test_of_one_entry_do_not_affect_the_others(self, tmp_path):
        size = {"optionId": 1, "origName": "0"}
        product = {"id": 1, "priceU": 200, "salePriceU": 100, "sizes": [size]}
        other = product | {"id": 2, "sizes": [size | {"optionId": 2}]}
        (tmp_path / "page.json").write_text(json.dumps({"products": [product, "x", None, other]}))

        summary = ingest("wildberries", [str(tmp_path / "page.json")])

        assert (summary.created, summary.rejected) == (2, 2)
        reasons = {record.reason for record in QuarantinedRecord.objects.all()}
        assert reasons == {"expected an object, got text", "expected an object, got null"}

    @pytest.mark.django_db(databases=["ecommerce"])
    def test_reject_one_record(self, tmp_path, monkeypatch):
        [card] = [shape for shape in uzum.SHAPES if shape.name == "UZ-GQL-CARD"]

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
