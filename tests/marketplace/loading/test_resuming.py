"""Resumed runs have the counts of an uninterrupted run, wherever they were interrupted."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections
from django.forms.models import model_to_dict

from ecommerce.models import LoadRun, Offer
from marketplace.loading.ingest import ingest, resume
from tests.content import empty

pytestmark = pytest.mark.django_db(databases=["ecommerce"], transaction=True)

START = datetime(2026, 3, 1, 9, tzinfo=UTC)

COUNTS = ["read", "created", "updated", "unchanged", "rejected", "price_point"]


class Killed(BaseException):
    """Raised where a process would be killed."""


def visits():
    """Yield products with several times, some of which cannot be parsed."""
    for day in range(4):
        for number in range(1, 6):
            sku = {"id": number * 10, "purchasePrice": 1000 + day, "availableAmount": 1}
            product = {"id": number, "title": f"Choynak {number}", "skuList": [sku]}
            if number == 3 and day == 1:
                product["skuList"] = "none"
            at = (START + timedelta(days=day)).isoformat()
            yield {"payload": {"data": product}, "timestamp": at}


def pages():
    """Yield pages with more products than a batch can hold."""
    for page in range(3):
        products = [
            {
                "id": 100 * page + number,
                "name": f"Choynak {number}",
                "sizes": [{"optionId": 1000 * page + number, "price": {"product": 1000}}],
            }
            for number in range(1, 12)
        ]
        products[4]["sizes"][0].pop("optionId")
        yield {"data": {"products": products}}


def counts():
    run = model_to_dict(LoadRun.objects.get())
    return {name: run[f"{name}_count"] for name in COUNTS}


def kill_after(number):
    """Return a progress function that ends a load after `number` batches."""
    seen = []

    def progress(summary):
        seen.append(summary.read)
        if len(seen) == number:
            raise Killed

    return progress


@pytest.mark.parametrize(("platform", "documents"), [("uzum", visits), ("wildberries", pages)])
@pytest.mark.parametrize("size", [4, 7])
def test_resumed_runs_count_like_undisturbed_ones(platform, documents, size, tmp_path, settings):
    settings.INGEST_BATCH_SIZE = size
    path = tmp_path / "documents.jsonl"
    path.write_text("\n".join(map(json.dumps, documents())))
    batches = []
    ingest(platform, [str(path)], progress=lambda summary: batches.append(summary.read))
    expected, offers = counts(), Offer.objects.count()
    assert len(batches) > 3
    assert expected["rejected"] > 0

    for number in range(1, len(batches)):
        with connections["ecommerce"].cursor() as cursor:
            empty(cursor)
        with pytest.raises(Killed):
            ingest(platform, [str(path)], progress=kill_after(number))
        run = LoadRun.objects.get()
        if number % 2:
            with pytest.raises(Killed):
                resume("ecommerce", run.pk, progress=kill_after(1))
        resume("ecommerce", run.pk)

        assert counts() == expected, f"killed after batch {number}"
        assert Offer.objects.count() == offers
