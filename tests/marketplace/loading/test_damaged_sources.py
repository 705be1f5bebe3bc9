"""Damaged sources: `ingest` loads their valid records, and `ingest_check` reports the same."""

import gzip
import json

import pytest

from ecommerce.models import LoadRun, LoadSource, Product, QuarantinedRecord
from marketplace.loading.ingest import ingest
from marketplace.management.preview import survey
from tests import payloads

pytestmark = pytest.mark.django_db(databases=["ecommerce"])

CASES = payloads.ROOT.parent / "cases"
LONG = 1234567890123456789
FEED = (
    '<?xml version="1.0" encoding="utf-8"?><yml_catalog date="2026-06-01 10:00"><shop>'
    "<name>Uy</name><company>Uy</company><url>https://uy.example</url><offers>{}</offers></shop>"
    "</yml_catalog>"
)
OFFER = '<offer id="{}"><name>TV</name><price>5</price><currencyId>UZS</currencyId></offer>'
DEEP = "[" * 600 + "]" * 600


def uzum(number, **fields):
    skus = [{"id": number, "sellPrice": 1000}]
    return json.dumps({"productId": number, "title": "Choynak", "skuList": skus, **fields})


def offers(*numbers):
    return "".join(OFFER.format(number) for number in numbers)


def case(name):
    """Return the bytes of a case, or skip the test if the cases are missing."""
    if not CASES.is_dir():
        pytest.skip(f"the cases are not at {CASES}")
    return (CASES / name).read_bytes()


def load(platform, path):
    """Load a source and check that a survey agrees; return the summary."""
    summary, surveyed = ingest(platform, [str(path)]), survey(platform, [str(path)])

    assert surveyed.failures == summary.source_errors
    assert surveyed.warnings == summary.warnings
    assert surveyed.fault_count == summary.rejected
    assert surveyed.items == summary.read - summary.rejected
    return summary


@pytest.mark.parametrize(
    ("platform", "text", "ids", "rejected", "failure"),
    [
        ("uzum", f"[{uzum(1)}, {uzum(2)},", ["1", "2"], 0, "source is not valid JSON at line 1"),
        ("uzum", f"{uzum(1)}\n{uzum(2)[:-9]}\n{uzum(3)}\n", ["1", "3"], 1, ""),
        ("uzum", f"[{uzum(1)}, {uzum(2, extra=json.loads(DEEP))}]", ["1"], 1, ""),
        ("uzum", uzum(1)[:-9], [], 0, "No record was read"),
        ("uzum", 'cb([{"id":1}]);', [], 0, "source is neither JSON, nor a YML feed, nor a CSV"),
        ("yandex", FEED.format(offers(1, "2&", 3)), ["1", "3"], 1, ""),
        ("yandex", FEED.format(offers(1, 2))[:-20], ["1", "2"], 0, "source is not valid XML at"),
        ("yandex", FEED.format(offers(1, 2)).replace("Uy<", "U & y<"), [], 0, "No offer was read"),
    ],
    ids=["array", "lines", "deep", "object", "page", "offer", "cut off", "head"],
)
def test_valid_records_are_loaded(tmp_path, platform, text, ids, rejected, failure):
    path = tmp_path / "source"
    path.write_text(text)

    summary = load(platform, path)

    stored = Product.objects.order_by("external_id").values_list("external_id", flat=True)
    assert [external_id.rpartition(":")[2] for external_id in stored] == ids
    assert summary.rejected == QuarantinedRecord.objects.count() == rejected
    assert bool(summary.source_errors) == bool(failure)
    assert failure in "".join(summary.source_errors)
    assert LoadRun.objects.get().status == ("failed" if failure else "completed")
    assert LoadSource.objects.get().is_complete == (not failure)


@pytest.mark.parametrize("number", [LONG, -LONG // 10, 10**20 + 1])
def test_an_id_does_not_depend_on_the_values_around_it(tmp_path, number):
    path = tmp_path / "cards.jsonl"
    path.write_text(f"{uzum(number)}\n{uzum(1)}\n")
    ingest("uzum", [str(path)])
    first = Product.objects.exclude(external_id="1").get()

    path.write_text(f"[{uzum(number)}, {uzum(2, title=float('nan'))}, {uzum(3)} x]")
    summary = load("uzum", path)

    product = Product.objects.exclude(external_id__in="123").get()
    assert (product.external_id, product.content_hash) == (str(number), first.content_hash)
    assert summary.updated == 0


def test_bytes_after_the_compressed_data_are_a_warning(tmp_path):
    path = tmp_path / "feed.xml.gz"
    path.write_bytes(gzip.compress(FEED.format(offers(1, 2)).encode()) + b"<!-- cached -->")

    summary = load("yandex", path)

    assert (summary.created, summary.needs_attention) == (2, False)
    assert summary.warnings == [
        "feed.xml.gz: The bytes after the end of the gzip data are not gzip and were ignored."
    ]


@pytest.mark.parametrize(("name", "warnings"), [("d2-trail.xml.gz", 1), ("d2-blank1.xml", 0)])
def test_a_feed_with_bytes_around_it_is_loaded(tmp_path, name, warnings):
    path = tmp_path / name
    path.write_bytes(case(name))

    summary = load("yandex", path)

    assert (summary.read, summary.source_errors) == (15, [])
    assert len(summary.warnings) == warnings
