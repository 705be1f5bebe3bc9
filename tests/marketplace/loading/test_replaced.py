"""Databases that are restored during a load: no run uses the row of another one."""

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
    file = tmp_path / "cards.jsonl"
    file.write_text("\n".join(json.dumps(card(number)) for number in range(1, 31)))
    return str(file)


def is_before():
    """The backup was made before the run began."""
    LoadRun.objects.all().delete()


def is_before_another():
    """The same, and another run has the same id now."""
    run, source = LoadRun.objects.get(), LoadSource.objects.get()
    LoadRun.objects.all().delete()
    run.started_at -= timedelta(seconds=1)
    run.read_count = source.batch_count = source.checkpoint = 0
    run.source = source.path = source.name = "other.jsonl"
    run.save(force_insert=True)
    source.save(force_insert=True)


def is_in_the_middle():
    """The backup was made during the first batch of the run."""
    LoadSource.objects.update(batch_count=0, checkpoint=0)
    Product.objects.all().delete()


@pytest.mark.parametrize("restore", [is_before, is_before_another, is_in_the_middle])
def test_a_load_during_a_restore_fails(path, restore):
    seen = []

    def interfere(summary):
        if not seen:
            restore()
        seen.append(list(LoadRun.objects.values()) + list(LoadSource.objects.values()))

    with pytest.raises(ReplacedError, match=r"uzum-\d+ began to load into: it was restored"):
        ingest("uzum", [path], observed_at=START, progress=interfere)

    rows = list(LoadRun.objects.values()) + list(LoadSource.objects.values())
    assert len(seen) == 1
    assert [row["id"] for row in rows] == [row["id"] for row in seen[0]]
    if restore is is_before_another:
        assert rows == seen[0]
    # Nothing that was loaded after the restore is stored without a run.
    assert Product.objects.filter(title__in=[f"Choynak {n}" for n in range(11, 31)]).count() == 0


def test_a_load_after_the_restore_loads_all(path):
    with pytest.raises(ReplacedError):
        ingest("uzum", [path], observed_at=START, progress=lambda summary: is_before())

    assert ingest("uzum", [path], observed_at=START).read == 30
    assert Product.objects.count() == 30
