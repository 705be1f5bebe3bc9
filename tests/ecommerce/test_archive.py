"""Months of the price history are archived to files and unarchived."""

import json

import duckdb
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from ecommerce import queries
from ecommerce.archive import layout, months, moving
from ecommerce.archive.months import Place
from ecommerce.models import ArchivedMonth
from marketplace.databases.revisions import all_migrations
from marketplace.databases.verification import verify
from marketplace.exceptions import ArchiveError
from tests import factories
from tests.commands import run
from tests.ecommerce.archiving import (
    AGE,
    JUNE,
    MAY,
    archive,
    files,
    make_history,
    manifest_of,
    rows,
    unarchive,
)

pytestmark = [
    pytest.mark.django_db(databases=["ecommerce"], transaction=True),
    pytest.mark.usefixtures("archive_dir"),
]


class TestRollback:
    """The migration of the table of archived months is only rolled back if the table is empty."""

    def test_rollback_is_refused_while_months_are_archived(self):
        make_history()
        archive(MAY, JUNE)
        steps = len(get_migrations_since("0007_price_months"))

        outcome = run("db_rollback", "ecommerce", str(steps), "--force")

        assert (outcome.out, outcome.code) == ("", 1)
        assert outcome.err.startswith(
            "ECOMMERCE: 0007_price_months is kept: 2 months are archived, and only this "
            "migration's table knows of the files in ARCHIVE_DIR. First: python manage.py "
            "db_unarchive 2021-05 2021-06\n"
        )
        assert ArchivedMonth.objects.count() == 2
        with pytest.raises(CommandError, match="0007_price_months is kept: 2 months"):
            call_command("migrate", "ecommerce", "0006_rates", database="ecommerce", verbosity=0)
        run("db_migrate", "--database", "ecommerce")
        assert run("db_archive", "--verify").out.count("verified") == 2

    def test_rollback_after_months_were_brought_back(self):
        make_history()
        archive(MAY)
        unarchive(MAY)
        steps = len(get_migrations_since("0007_price_months"))

        outcome = run("db_rollback", "ecommerce", str(steps), "--force")
        again = run("db_migrate", "--database", "ecommerce")

        assert (outcome.err, outcome.code) == ("", 0)
        assert "0007_price_months" in again.out


def get_migrations_since(name):
    """Return the names of the migrations from one on."""
    names = all_migrations("ecommerce")
    return names[names.index(name) :]


class TestArchive:
    @pytest.mark.parametrize("debug", [False, True])
    def test_round_trip(self, settings, debug):
        settings.DEBUG = debug
        make_history()
        before = rows(MAY), rows(JUNE)

        moved = archive(MAY, JUNE)

        assert [month.rows for month in moved] == [len(before[0]), len(before[1])]
        assert rows(MAY) == rows(JUNE) == []
        assert months.place(MAY) is Place.ABSENT
        unarchive(JUNE, MAY)
        assert (rows(MAY), rows(JUNE)) == before
        assert not ArchivedMonth.objects.exists()
        # The table has all indexes, and can be archived again.
        assert verify("ecommerce").drifts == ()
        archive(MAY)
        assert moving.verify(ArchivedMonth.objects.get(), is_thorough=True).rows == len(before[0])

    def test_content_of_the_files(self, archive_dir):
        offers = make_history()
        archive(MAY)

        paths = {str(path) for path in archive_dir.glob("price_history/platform=*/month=2021-05/*")}
        with duckdb.connect() as analyst:
            points = analyst.read_parquet(sorted(paths))
            kinds = dict(zip(points.columns, map(str, points.dtypes), strict=True))
            named = points.select("platform, offer_external_id, offer_id").distinct().fetchall()
            ordered = [
                analyst.read_parquet(path).select("offer_id, epoch_us(recorded_at)").fetchall()
                for path in paths
            ]

        assert paths == {str(path) for path in files(MAY)}
        assert kinds["price"] == "DECIMAL(18,2)"
        assert kinds["recorded_at"] == "TIMESTAMP WITH TIME ZONE"
        assert set(named) == {(offer.platform, offer.external_id, offer.pk) for offer in offers}
        assert all(keys == sorted(keys) for keys in ordered)

    def test_content_of_the_manifest(self):
        make_history()
        before = rows(MAY)
        archive(MAY)

        manifest = json.loads(manifest_of(MAY).read_text())

        assert manifest["rows"] == len(before) == sum(file["rows"] for file in manifest["files"])
        assert manifest["min_recorded_at"].startswith("2021-05-01T00:00:00")
        assert [file["platform"] for file in manifest["files"]] == ["ozon", "uzum", "wildberries"]
        assert ArchivedMonth.objects.get().content_hash == manifest["content_hash"]

    def test_month_without_points(self):
        factories.price_point(offer=factories.offer(), recorded_at=months.bounds(MAY)[0]).delete()

        assert archive(MAY)[0].rows == 0

        assert files(MAY) == []
        assert queries.monthly_prices() == []
        unarchive(MAY)
        assert months.place(MAY) is Place.ATTACHED

    def test_second_process_is_refused(self):
        with (
            layout.exclusive_lock(),
            pytest.raises(ArchiveError, match="Another process is writing"),
        ):
            archive(MAY)


class TestCommands:
    def test_dry_run(self):
        make_history(offers=4)
        before = rows(MAY)

        result = run("db_archive", AGE, "--dry-run")

        assert result.code == 0
        assert result.out.startswith(f"ECOMMERCE: Would archive 2021-05: {len(before)} rows, ")
        assert rows(MAY) == before

    def test_confirmation(self, monkeypatch):
        make_history(offers=1)
        monkeypatch.setattr("builtins.input", lambda: "no")

        result = run("db_archive", AGE)

        assert result.code == 1
        assert "2 months of the price history will be moved to" in result.err
        assert "Not confirmed: no changes were made." in result.err
        assert months.place(MAY) is Place.ATTACHED

    def test_archive_verify_and_bring_back(self):
        make_history(offers=4)
        count = len(rows(MAY))

        archived = run("db_archive", AGE, "--force")
        verified = run("db_archive", "--verify", "--format", "json")
        planned = run("db_unarchive", "2021-05", "--dry-run")
        unarchived = run("db_unarchive", "2021-05")

        assert archived.code == 0, archived.err
        assert f"ECOMMERCE: archived 2021-05: {count} rows" in archived.out
        assert [result["month"] for result in json.loads(verified.out)] == [
            "2021-05-01",
            "2021-06-01",
        ]
        assert planned.out.startswith(f"ECOMMERCE: Would unarchive 2021-05: {count} rows from ")
        assert unarchived.out.startswith(f"ECOMMERCE: unarchived 2021-05: {count} rows from ")
        assert len(rows(MAY)) == count

    def test_nothing_to_do(self):
        make_history(offers=1)

        result = run("db_archive", "--older-than=36500d")

        assert (
            result.out == "ECOMMERCE: nothing to archive: no month ended at least 36,500 days ago\n"
        )
        assert run("db_unarchive", "2021-05").err.startswith(
            "ECOMMERCE: 2021-05 is not archived. Archived months: none."
        )
        assert "May is not a month, such as 2025-06." in run("db_unarchive", "May").err

    def test_list_of_months(self):
        make_history(offers=4)
        counts = len(rows(MAY)), len(rows(JUNE))
        archive(MAY)

        partitions = json.loads(run("db_partitions", "--format", "json").out)
        shown = run("db_partitions").out.splitlines()

        listed = partitions["months"]
        states = {month["month"]: (month["state"], month["rows"]) for month in listed}
        assert states["2021-05-01"] == ("archived", counts[0])
        assert states["2021-06-01"] == ("hot", counts[1])
        assert shown[0] == "ECOMMERCE: price history by month"
        assert f"   2021-05  archived {timezone.now():%Y-%m-%d}, {counts[0]} rows" in shown
        assert any(line.startswith(f"   2021-06  hot, {counts[1]} rows, ") for line in shown)
