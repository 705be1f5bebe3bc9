"""Superseded files of a month are kept as long as a restored database may need them."""

import json
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from ecommerce import partitions
from ecommerce.archive import manifests, months, moving
from ecommerce.models import ArchivedMonth
from marketplace.backups import sets
from tests import factories
from tests.commands import run
from tests.ecommerce.archiving import (
    JUNE,
    MAY,
    answers,
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


@pytest.fixture(autouse=True)
def _no_sets(settings, tmp_path):
    settings.BACKUP_DIR = tmp_path / "backups"


def add_late_point(offer):
    """Unarchive a month, add a point to it, and archive it again."""
    unarchive(MAY)
    moment = months.bounds(MAY)[0] + timedelta(days=1, seconds=1)
    factories.price_point(offer=offer, recorded_at=moment)
    archive(MAY)


def found(archive_dir):
    """Return all manifests and files."""
    return {path for path in archive_dir.rglob("*") if path.suffix in (".json", ".parquet")}


class TestSupersededFiles:
    def test_restored_database_reads_its_version(self):
        offers = make_history(offers=4)
        before, expected = rows(MAY), answers(offers)
        archive(MAY)
        mark = ArchivedMonth.objects.values().get()

        add_late_point(offers[0])
        newer = answers(offers)
        # As after restoring an earlier set.
        ArchivedMonth.objects.update(**mark)

        assert newer != expected
        assert answers(offers) == expected
        assert run("db_archive", "--verify").code == 0
        unarchive(MAY)
        assert rows(MAY) == before

    def test_files_superseded_long_ago_are_removed(self, archive_dir):
        offer = make_history(offers=4)[0]
        archive(MAY)
        old = {*files(MAY), manifest_of(MAY)}
        add_late_point(offer)
        current = {*files(MAY), manifest_of(MAY)}

        removed_earlier = moving.remove_superseded(timezone.now() + timedelta(days=89))
        assert removed_earlier.months == []
        assert old | current == found(archive_dir)
        removed = moving.remove_superseded(timezone.now() + timedelta(days=91))
        assert removed.months == [MAY]
        assert removed.bytes > 0
        assert current == found(archive_dir)

    def test_files_are_kept_while_an_older_backup_set_exists(self, archive_dir):
        offer = make_history(offers=4)[0]
        archive(MAY)
        add_late_point(offer)
        before = found(archive_dir)
        backup = sets.folder() / sets.format_name(timezone.now() - timedelta(days=1))
        backup.mkdir(parents=True)
        later = timezone.now() + timedelta(days=1000)

        assert moving.remove_superseded(later).months == []
        assert found(archive_dir) == before
        backup.rmdir()
        assert moving.remove_superseded(later).months == [MAY]

    def test_current_version_is_never_removed(self, archive_dir):
        offer = make_history(offers=4)[0]
        archive(MAY)
        mark = ArchivedMonth.objects.values().get()
        add_late_point(offer)
        ArchivedMonth.objects.update(**mark)
        before = found(archive_dir)

        assert moving.remove_superseded(timezone.now() + timedelta(days=1000)).months == []
        assert found(archive_dir) == before

    def test_command_removes_superseded_files(self, settings, archive_dir):
        offer = make_history(offers=4)[0]
        archive(MAY)
        add_late_point(offer)
        current = {*files(MAY), manifest_of(MAY)}

        assert "removed" not in run("db_archive", "--older-than=36500d").out
        settings.ARCHIVE_KEEP_DAYS = 0
        assert run("db_archive", "--older-than=36500d", "--dry-run").code == 0
        assert current < found(archive_dir)
        result = run("db_archive", "--older-than=36500d")

        assert "ECOMMERCE: removed superseded files of 2021-05 (" in result.out
        assert current == found(archive_dir)

    def test_files_are_kept_while_the_backup_sets_cannot_be_read(self, settings, archive_dir):
        offer = make_history(offers=4)[0]
        archive(MAY)
        add_late_point(offer)
        before = found(archive_dir)
        settings.ARCHIVE_KEEP_DAYS = 0
        settings.BACKUP_DIR.write_text("")

        result = run("db_archive", "--older-than=36500d")

        assert result.code == 0
        assert "ECOMMERCE: superseded files are kept: Cannot read " in result.err
        assert found(archive_dir) == before

    def test_files_of_a_damaged_manifest_are_kept(self, archive_dir):
        offer = make_history(offers=4)[0]
        archive(MAY)
        old = manifest_of(MAY)
        add_late_point(offer)
        old.write_text("{}")
        before = found(archive_dir)

        assert moving.remove_superseded(timezone.now() + timedelta(days=91)).months == []
        assert found(archive_dir) == before

    def test_old_format_of_the_manifest(self):
        offers = make_history(offers=4)
        before, expected = rows(MAY), answers(offers)
        archive(MAY)
        path = manifest_of(MAY)
        document = json.loads(path.read_text())
        del document["sha256"]
        path.unlink()
        (manifests.folder() / "2021-05.json").write_text(json.dumps(document, indent=2) + "\n")

        assert answers(offers) == expected
        add_late_point(offers[0])
        assert manifest_of(MAY).name != "2021-05.json"
        ArchivedMonth.objects.update(
            row_count=document["rows"], content_hash=document["content_hash"]
        )
        assert manifest_of(MAY).name == "2021-05.json"
        assert answers(offers) == expected
        unarchive(MAY)
        assert rows(MAY) == before

    def test_same_rows_have_the_same_manifest(self, archive_dir):
        make_history(offers=4)
        archive(MAY)
        before = manifest_of(MAY)
        unarchive(MAY)

        archive(MAY)

        assert manifest_of(MAY) == before
        assert found(archive_dir) == {*files(MAY), before}


class TestListing:
    def test_months_with_missing_files_are_named(self):
        make_history(offers=4)
        archive(MAY, JUNE)
        missing = files(MAY)[0]
        missing.unlink()

        lines = run("db_partitions").out.splitlines()

        lines_by_month = {line.split()[0]: line for line in lines[1:]}
        assert (
            f"{missing} is missing, damaged or not readable: it cannot be read: No such file"
            in lines_by_month["2021-05"]
        )
        assert lines_by_month["2021-06"].endswith(" rows")

    def test_database_without_the_table_of_archived_months(self):
        with connections["ecommerce"].cursor() as cursor:
            cursor.execute("SET search_path = pg_catalog")
            try:
                assert partitions.lacking_files(cursor) == []
            finally:
                cursor.execute("RESET search_path")
