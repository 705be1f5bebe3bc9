"""The reader process: its memory and its setting."""

import json

import pytest
from django.test import override_settings

from ecommerce.models import Product
from marketplace.loading import payloads, reader_process
from marketplace.loading.ingest import ingest

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

CARDS = 5


@override_settings(INGEST_BATCH_SIZE=1)
def test_the_batch_after_a_large_one_is_read_when_that_was_written(tmp_path, monkeypatch):
    path = tmp_path / "cards.jsonl"
    skus = [[{"id": number, "sellPrice": 1000}] for number in range(CARDS)]
    cards = [
        {"productId": number, "title": "Choynak", "skuList": skus[number]}
        for number in range(CARDS)
    ]
    path.write_text("\n".join(map(json.dumps, cards)))
    events = []
    monkeypatch.setattr(reader_process, "_MANY_BYTES", 0)
    monkeypatch.setattr(reader_process, "_LARGE", 0)
    monkeypatch.setattr(payloads, "pack_ahead", lambda *_: events.append("received"))

    ingest("uzum", [str(path)], progress=lambda summary: events.append("written"))

    assert events == ["received", "written"] * CARDS
    assert Product.objects.count() == CARDS


@pytest.mark.parametrize("variable", ["INGEST_READER_PROCESS", "INGEST_READ_APART"])
def test_the_setting_can_be_set_by_its_deprecated_name(machine, variable):
    code = "from django.conf import settings; print(settings.INGEST_READER_PROCESS)"

    outcome = machine("shell", "--no-imports", "--command", code, **{variable: "false"})

    assert outcome.stdout.splitlines()[-1] == "False", outcome.stderr
