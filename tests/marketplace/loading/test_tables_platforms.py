"""Tables of platforms without an adapter, and tables that no adapter recognizes."""

from datetime import UTC, datetime

import pytest

from ecommerce.models import (
    Offer,
    PricePoint,
    QuarantinedRecord,
)
from marketplace import registry
from marketplace.checks import project as checks
from marketplace.loading import adapters
from marketplace.loading.ingest import ingest
from marketplace.registry import Platform
from tests.commands import run
from tests.marketplace.loading.table_samples import CARDS, counts

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds", "procurement"])


class TestPlatformWithoutAdapter:
    @pytest.fixture(autouse=True)
    def bazaar(self, monkeypatch):
        platforms = (*registry.PLATFORMS, Platform("bazaar", "ecommerce", "Bazaar"))
        for module in (registry, adapters, checks):
            monkeypatch.setattr(module, "PLATFORMS", platforms)

    TEXT = "url,title,price,old,shop\n/7/,Чайник,500,,\n/8/,Стакан,x,,\n"

    def test_is_loaded_by_a_mapping(self, load):
        assert counts(load(self.TEXT, CARDS, platform="bazaar")) == (2, 1, 0, 0, 1)
        assert counts(load(self.TEXT, CARDS, platform="bazaar")) == (2, 0, 0, 1, 1)
        assert Offer.objects.get().platform == "bazaar"

    def test_passes_the_checks(self):
        assert list(checks.check_platforms(None)) == []

    def test_can_be_surveyed_and_replayed(self, load, tmp_path):
        load(self.TEXT, CARDS, platform="bazaar")
        before = list(Offer.objects.values())

        checked = run(
            "ingest_check",
            "bazaar",
            str(tmp_path / "table.csv"),
            f"--columns={tmp_path / 'map.toml'}",
        )
        replayed = run("ingest", "bazaar", "--replay")

        assert "bazaar: sources 1, documents 2, read 2, rejected 1" in checked.out
        assert replayed.code == 0
        assert list(Offer.objects.values()) == before

    def test_accepts_late_arrivals(self, load):
        later, earlier = datetime(2026, 6, 2, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
        load(self.TEXT, CARDS, platform="bazaar", observed_at=later)

        load(self.TEXT.replace("500", "400"), CARDS, platform="bazaar", observed_at=earlier)

        points = PricePoint.objects.order_by("recorded_at").values_list("price", flat=True)
        assert list(points) == [400, 500]

    def test_explains_how_to_load_other_documents(self, load, tmp_path):
        (tmp_path / "page.json").write_text('{"id": 1}')

        ingest("bazaar", [str(tmp_path / "page.json")])

        assert QuarantinedRecord.objects.get().reason == (
            "bazaar is loaded from tables only: add --columns MAP.toml"
        )


class TestUnknownTable:
    def test_is_refused_with_the_mapping_that_fits(self, tmp_path):
        path = tmp_path / "new cards.csv"
        path.write_text("brand,title,url,review_count,current_price\nA,B,/catalog/1/,2,3\n")

        outcome = run("ingest", "wildberries", str(path))

        assert outcome.err.splitlines()[0] == (
            "new cards.csv is a table, and wildberries has no shape with its columns (brand, "
            "title, url, review_count, current_price). A shipped mapping fits: python manage.py "
            f'ingest wildberries "{path}" --columns ecommerce/columns/wb-csv-a.toml'
        )
        assert (outcome.code, QuarantinedRecord.objects.count()) == (1, 0)

    @pytest.mark.parametrize(
        ("header", "owner"),
        [
            ("brand,title,url,review_count,current_price", "wildberries"),
            ("product_url,product_name,final_price", "ozon"),
        ],
    )
    def test_of_another_platform_is_refused_with_the_name_of_that_platform(
        self, tmp_path, header, owner
    ):
        path = tmp_path / "table.csv"
        path.write_text(f"{header}\n{',' * header.count(',')}x\n")

        summary = ingest("yandex", [str(path)])

        [failure] = summary.source_errors
        assert failure.endswith(f"It looks like a table of {owner}: load it with this platform.")

    def test_without_a_fitting_mapping_is_refused_with_the_next_step(self, tmp_path):
        (tmp_path / "table.csv").write_text("a;b\n1;2\n3;4\n")

        outcome = run("ingest_check", "olx", str(tmp_path / "table.csv"))

        assert outcome.err.splitlines()[0] == (
            "table.csv is a table, and olx has no shape with its columns (a, b). No shipped "
            "mapping fits. Write one, as docs/tables.md describes, and run: "
            f"python manage.py ingest olx {tmp_path}/table.csv --columns MAP.toml"
        )
