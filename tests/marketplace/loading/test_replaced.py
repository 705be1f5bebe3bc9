"""Databases that are restored while they are loaded into: no run takes over another one's row."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from ecommerce.models import LoadRun, LoadSource, Product
from marketplace.exceptions import ReplacedError
from marketplace.loading.ingest import ingest

pytestmark = pytest.mark.django_db(databases=["ecommerce"], transaction=True)

START = datetime(2026, 3, 1, 9, tzinfo=UTC)


def card(number):
    sku = {"id": number * 10, "purchasePrice": 1000 + number, "availableAmount": 1}
    return {"data": {"id": number, "title": f"Choynak {number}", "skuList": [sku]}}


@pytest.fixture
def path(tmp_path, settings):
    settings.INGEST_BATCH_SIZE = 10
    made = tmp_path / "cards.jsonl"
    made.write_text("\n".join(json.dumps(card(number)) for number in range(1, 31)))
    return str(made)


def is_before():
    """The backup was made before the run began."""
    LoadRun.objects.all().delete()


def is_before_another():
    """The same, and another run has come since, with the same numbers."""
    run, source = LoadRun.objects.get(), LoadSource.objects.get()
    LoadRun.objects.all().delete()
    run.started_at -= timedelta(seconds=1)
    run.read_count = source.record_count = source.checkpoint = 0
    run.source = source.path = source.name = "other.jsonl"
    run.save(force_insert=True)
    source.save(force_insert=True)


def is_in_the_middle():
    """The backup was made while the run was at its first batch."""
    LoadSource.objects.update(record_count=0, checkpoint=0)
    Product.objects.all().delete()


@pytest.mark.parametrize("restore", [is_before, is_before_another, is_in_the_middle])
def test_a_load_that_runs_across_a_restore_fails(path, restore):
    seen = []

    def interfere(summary):
        if not seen:
            restore()
        seen.append(list(LoadRun.objects.values()) + list(LoadSource.objects.values()))

    with pytest.raises(ReplacedError, match=r"uzum-\d+ began to load into: it was restored"):
        ingest("uzum", [path], observed_at=START, progress=interfere)

    left = list(LoadRun.objects.values()) + list(LoadSource.objects.values())
    assert len(seen) == 1
    assert [row["id"] for row in left] == [row["id"] for row in seen[0]]
    if restore is is_before_another:
        assert left == seen[0]
    # Of what came after the restore, nothing is stored without a run to tell of it.
    assert Product.objects.filter(title__in=[f"Choynak {n}" for n in range(11, 31)]).count() == 0


def test_a_load_after_the_restore_loads_all(path):
    with pytest.raises(ReplacedError):
        ingest("uzum", [path], observed_at=START, progress=lambda summary: is_before())

    assert ingest("uzum", [path], observed_at=START).read == 30
    assert Product.objects.count() == 30
