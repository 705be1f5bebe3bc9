"""The benchmark: its corpus, its contenders and its report."""

import hashlib
import json
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import orjson
import pytest
from django.db import connections
from django.db.models import Count, F, Sum
from psycopg2 import sql

from bench import base, contenders, corpus, report, server
from bench.contenders import Timing
from bench.corpus import CHANGED, FIRST, FULL_FIRST, RESCRAPED
from bench.results import Results, Series
from bench.scenarios import Options
from ecommerce.models import Category, Offer, PricePoint, Product, RawPayload
from marketplace.exceptions import MarketplaceError
from marketplace.loading.ingest import ingest

pytestmark = pytest.mark.django_db(databases=["ecommerce", "default"])

ROOT = Path(__file__).resolve().parent.parent
NUMBERS = range(60)

#: The id of a SKU: all have as many digits.
SKU = corpus.document(0)["payload"]["data"]["skuList"][0]["id"]


def file(folder, visit=FIRST, numbers=NUMBERS):
    """A file of the corpus with a few products."""
    path = folder / f"{visit.name}-{numbers.start}.jsonl"
    path.write_bytes(b"".join(corpus.lines(numbers, visit)))
    return path


def skus(document):
    return document["payload"]["data"]["skuList"]


def published(visit=FIRST, numbers=NUMBERS):
    """Return the number of offers in the documents, and the sum of their prices."""
    prices = [sku["purchasePrice"] for n in numbers for sku in skus(corpus.document(n, visit))]
    return len(prices), Decimal(sum(prices))


def stored():
    return tuple(Offer.objects.aggregate(count=Count("pk"), total=Sum("price")).values())


def without_time(document):
    return document["payload"]


class TestCorpus:
    def test_is_the_same_in_every_process(self):
        program = (
            "import hashlib, sys; from bench import corpus; "
            "sys.stdout.write(hashlib.sha256(b''.join(corpus.lines(range(40)))).hexdigest())"
        )

        result = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={"PYTHONHASHSEED": "7"},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )

        own = hashlib.sha256(b"".join(corpus.lines(range(40)))).hexdigest()
        assert result.stdout == own

    def test_is_as_large_as_required(self):
        lines = list(corpus.lines(range(2000)))

        offers = sum(len(skus(orjson.loads(line))) for line in lines)
        assert statistics.mean(map(len, lines)) == pytest.approx(8000, rel=0.05)
        assert offers / len(lines) == pytest.approx(2.85, rel=0.05)

    def test_has_unique_ids(self):
        documents = [corpus.document(n, FULL_FIRST) for n in range(3000)]

        offers = [sku["id"] for document in documents for sku in skus(document)]
        assert len({document["payload"]["data"]["id"] for document in documents}) == 3000
        assert len(set(offers)) == len(offers)
        for name in ("title", "description"):
            assert len({document["payload"]["data"][name] for document in documents[:500]}) == 500
        assert len({document["timestamp"] for document in documents[:500]}) == 500
        # 2.7 million offers of 800,000 products.
        assert len(offers) / 3000 == pytest.approx(2.7 / 0.8, rel=0.05)

    def test_a_tenth_of_the_prices_changes_a_day_later(self):
        pairs = [(corpus.document(n), corpus.document(n, CHANGED)) for n in range(2000)]

        prices = [
            (old["purchasePrice"], new["purchasePrice"])
            for first, changed in pairs
            for old, new in zip(skus(first), skus(changed), strict=True)
        ]
        share = sum(old != new for old, new in prices) / len(prices)
        assert share == pytest.approx(0.1, abs=0.015)
        assert all((a == b) == (skus(a) == skus(b)) for a, b in pairs)
        assert all(b["timestamp"] > a["timestamp"] for a, b in pairs if a != b)

    def test_rescraped_products_have_no_changes(self):
        pairs = [(corpus.document(n, CHANGED), corpus.document(n, RESCRAPED)) for n in range(200)]

        assert all(without_time(a) == without_time(b) for a, b in pairs)
        assert all(b["timestamp"] > a["timestamp"] for a, b in pairs)


class TestContenders:
    def test_ours_refuses_a_file_that_does_not_load(self, tmp_path):
        path = file(tmp_path)
        path.write_bytes(path.read_bytes() + b'{"payload": {"data": {"skuList": []}}}\n')

        with pytest.raises(MarketplaceError, match="was not loaded completely"):
            contenders.load_ours(path)

    @pytest.mark.parametrize("name", ["ours", "bulk_create"])
    def test_all_write_the_published_prices(self, name, tmp_path):
        load = contenders.CONTENDERS[name]

        timing = load(file(tmp_path))
        first = stored()
        load(file(tmp_path, CHANGED))

        assert timing.records == len(NUMBERS)
        assert first == published()
        assert stored() == published(CHANGED)
        assert published(CHANGED) != published()

    def test_bulk_create_writes_the_same_products(self, tmp_path):
        fields = ("external_id", "title_normalized", "category__external_id", "seller__name")
        path = file(tmp_path)

        contenders.load_bulk(path)
        tree = set(Category.objects.values_list("external_id", "parent__external_id"))
        products = set(Product.objects.values_list(*fields))
        Product.objects.all().delete()
        Category.objects.all().delete()
        contenders.load_ours(path)

        assert products == set(Product.objects.values_list(*fields))
        assert tree == set(Category.objects.values_list("external_id", "parent__external_id"))

    def test_bulk_create_keeps_the_payloads(self, tmp_path):
        contenders.load_bulk(file(tmp_path))

        with connections["ecommerce"].cursor() as cursor:
            cursor.execute("SELECT count(*) FROM bench_payloads WHERE payload ? 'skuList'")
            assert cursor.fetchone() == (len(NUMBERS),)

    def test_copy_restores_all_rows(self, tmp_path):
        contenders.load_ours(file(tmp_path))
        points, payloads = PricePoint.objects.count(), RawPayload.objects.count()
        server.export("ecommerce", tmp_path / "rows", {})
        empty_tables()

        contenders.load_copy(tmp_path / "rows")

        assert stored() == published()
        assert (PricePoint.objects.count(), RawPayload.objects.count()) == (points, payloads)
        assert payloads == len(NUMBERS)

    def test_copy_has_new_rows_only(self, tmp_path):
        contenders.load_ours(file(tmp_path))
        before = server.highest_keys("ecommerce")
        more = range(60, 80)
        contenders.load_ours(file(tmp_path, numbers=more))

        server.export("ecommerce", tmp_path / "rows", before)

        rows = (tmp_path / "rows" / "ecommerce_offers").read_bytes()
        assert rows.count(b"\n") == published(numbers=more)[0]


def empty_tables():
    """Empty all tables of the database."""
    names = sql.SQL(", ").join(map(sql.Identifier, server.tables("ecommerce")))
    with connections["ecommerce"].cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(sql.SQL("TRUNCATE {} CASCADE").format(names))
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


class TestMultiply:
    @pytest.fixture
    def _copies(self, tmp_path):
        """Multiply the products by three."""
        contenders.load_ours(file(tmp_path))
        with connections["ecommerce"].cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        base.multiply("ecommerce", 3)

    @pytest.mark.usefixtures("_copies")
    def test_copies_all_rows_of_products_and_their_references(self):
        offers, total = published()
        pairs = Offer.objects.values_list("external_id", "product__external_id")
        # The id of a copy ends with its number in three digits.
        copies = [(offer, product) for offer, product in pairs if len(offer) > len(str(SKU))]

        assert stored() == (offers * 3, total * 3)
        assert PricePoint.objects.count() == offers * 3
        assert RawPayload.objects.count() == len(NUMBERS) * 3
        assert len(copies) == offers * 2
        assert all(offer[-3:] == product[-3:] for offer, product in copies)
        assert not PricePoint.objects.exclude(price=F("offer__price")).exists()
        assert not Product.objects.filter(category=None).exists()

    def test_rows_loaded_afterwards_are_new(self, _copies, tmp_path):
        more = range(60, 80)

        summary = ingest("uzum", [str(file(tmp_path, numbers=more))])

        assert (summary.created, summary.rejected) == (len(more), 0)
        assert Product.objects.count() == len(NUMBERS) * 3 + len(more)


def results(**seconds):
    """Return results: the seconds for 1,000 records by contender and phase."""
    results = Results(storage={"ecommerce_products": 3_000_000}, memory={})
    for name, value in seconds.items():
        contender, phase = name.split("__")
        timings = [Timing(1000, value * factor) for factor in (3, 1, 0.5)]
        results.series["empty", contender, phase] = Series("empty", contender, phase, 1000, timings)
    return results


class TestReport:
    def test_has_the_documented_keys(self, tmp_path):
        measured = results(ours__first=1.0, bulk_create__first=5.0)

        report.write(
            tmp_path / "a" / "bench.json",
            report.build(measured, Options(products=1000), datetime(2026, 11, 1, tzinfo=UTC)),
        )

        written = json.loads((tmp_path / "a" / "bench.json").read_text())
        assert list(written) == [
            *("measured_at", "machine", "settings", "targets", "series"),
            *("ratios", "storage", "memory", "full"),
        ]
        assert all(f"`{key}`" in report.__doc__ for key in written)
        assert written["ratios"] == {"empty first ours/bulk_create": 5.0}
        assert written["series"][0]["median_seconds"] == 1.0
        assert written["series"][0]["records_per_second"] == 1000.0

    def test_compares_with_the_targets(self):
        measured = results(
            ours__first=1.0, bulk_create__first=5.0, copy__first=0.5, ours__unchanged=0.5
        )
        measured.series["empty", "bulk_create", "unchanged"] = Series(
            "empty", "bulk_create", "unchanged", 1000, [Timing(1000, 5.0)]
        )

        measured.series["large", "ours", "first"] = Series(
            "large", "ours", "first", 1000, [Timing(1000, 1.2)]
        )
        measured.memory = {"file_bytes": 2_000_000_000, "peak_bytes": 500_000_000}

        targets = {t.name: (t.measured, t.is_met) for t in report.targets(measured, 1000)}

        assert targets == {
            "first load: large over empty tables": (1.2, True),
            "peak memory, file of 2.0 GB": (500.0, False),
            "first load: our rate over bulk_create's": (5.0, True),
            "reload, unchanged: our rate over bulk_create's": (10.0, False),
            "first load: our time over raw COPY's": (2.0, False),
            "storage of a product with its offers": (3.0, True),
        }

    def test_rates_two_loaders_by_distinct_products(self):
        measured = Results()
        measured.add(Series("together", "ours", "one loader", 1000), Timing(1000, 2.0))
        measured.add(Series("together", "ours", "two loaders", 1750), Timing(1000, 2.5))

        [target] = report.targets(measured, 1000)

        assert (target.name, target.measured, target.is_met) == ("two loaders over one", 1.4, True)

    def test_a_line_has_target_and_verdict(self):
        measured = results(ours__first=1.0, copy__first=0.5)

        lines = list(report.sentences(measured, Options(products=1000)))

        [line] = [line for line in lines if "raw COPY" in line]
        assert line.split("  ")[-1] == "MISSED"
        assert "≤ 1.5 x" in line
