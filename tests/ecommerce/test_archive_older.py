"""What a month was archived as before stays, for as long as a restored database may name it."""

import hashlib
import json
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from ecommerce import partitions, queries
from ecommerce.archive import manifests, months, moving
from ecommerce.models import ArchivedMonth
from marketplace.backups import sets
from marketplace.exceptions import ArchiveError
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
    """Bring a month back, load something into it, and archive it anew."""
    unarchive(MAY)
    moment = months.bounds(MAY)[0] + timedelta(days=1, seconds=1)
    factories.price_point(offer=offer, recorded_at=moment)
    archive(MAY)


def found(archive_dir):
    """Return all manifests and files."""
    return {path for path in archive_dir.rglob("*") if path.suffix in (".json", ".parquet")}


def rewrite(path, **changes):
    """Change what a manifest tells, and its SHA-256 to suit."""
    told = json.loads(path.read_text()) | changes
    del told["sha256"]
    text = json.dumps(told, indent=2, ensure_ascii=False) + "\n"
    told = {"sha256": hashlib.sha256(text.encode()).hexdigest()} | told
    path.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")


class TestOlderArchive:
    def test_is_read_by_a_database_that_names_it(self):
        offers = make_history(offers=4)
        before, expected = rows(MAY), answers(offers)
        archive(MAY)
        mark = ArchivedMonth.objects.values().get()

        add_late_point(offers[0])
        newer = answers(offers)
        # As a set from before would bring it back.
        ArchivedMonth.objects.update(**mark)

        assert newer != expected
        assert answers(offers) == expected
        assert run("db_archive", "--verify").code == 0
        unarchive(MAY)
        assert rows(MAY) == before

    def test_goes_when_it_was_superseded_long_ago(self, archive_dir):
        offer = make_history(offers=4)[0]
        archive(MAY)
        old = {*files(MAY), manifest_of(MAY)}
        add_late_point(offer)
        current = {*files(MAY), manifest_of(MAY)}

        kept = moving.remove_superseded(timezone.now() + timedelta(days=89))
        assert kept.months == []
        assert old | current == found(archive_dir)
        removed = moving.remove_superseded(timezone.now() + timedelta(days=91))
        assert removed.months == [MAY]
        assert removed.bytes > 0
        assert current == found(archive_dir)

    def test_stays_while_there_is_a_backup_set_of_before(self, archive_dir):
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

    def test_that_the_database_names_never_goes(self, archive_dir):
        offer = make_history(offers=4)[0]
        archive(MAY)
        mark = ArchivedMonth.objects.values().get()
        add_late_point(offer)
        ArchivedMonth.objects.update(**mark)
        before = found(archive_dir)

        assert moving.remove_superseded(timezone.now() + timedelta(days=1000)).months == []
        assert found(archive_dir) == before

    def test_is_removed_by_the_command(self, settings, archive_dir):
        offer = make_history(offers=4)[0]
        archive(MAY)
        add_late_point(offer)
        current = {*files(MAY), manifest_of(MAY)}

        assert "removed" not in run("db_archive", "--older-than=36500d").out
        settings.ARCHIVE_KEEP_DAYS = 0
        assert run("db_archive", "--older-than=36500d", "--dry-run").code == 0
        assert current < found(archive_dir)
        done = run("db_archive", "--older-than=36500d")

        assert "ECOMMERCE: removed what 2021-05 was before it was archived anew: " in done.out
        assert current == found(archive_dir)

    def test_stays_while_the_backup_sets_cannot_be_seen(self, settings, archive_dir):
        offer = make_history(offers=4)[0]
        archive(MAY)
        add_late_point(offer)
        before = found(archive_dir)
        settings.ARCHIVE_KEEP_DAYS = 0
        settings.BACKUP_DIR.write_text("")

        done = run("db_archive", "--older-than=36500d")

        assert done.code == 0
        assert "ECOMMERCE: no older archive is removed: Cannot read " in done.err
        assert found(archive_dir) == before

    def test_stays_while_its_manifest_cannot_be_read(self, archive_dir):
        offer = make_history(offers=4)[0]
        archive(MAY)
        old = manifest_of(MAY)
        add_late_point(offer)
        old.write_text("{}")
        before = found(archive_dir)

        assert moving.remove_superseded(timezone.now() + timedelta(days=91)).months == []
        assert found(archive_dir) == before

    def test_without_a_hash_of_its_manifest_is_read(self):
        offers = make_history(offers=4)
        before, expected = rows(MAY), answers(offers)
        archive(MAY)
        path = manifest_of(MAY)
        told = json.loads(path.read_text())
        del told["sha256"]
        path.unlink()
        (manifests.folder() / "2021-05.json").write_text(json.dumps(told, indent=2) + "\n")

        assert answers(offers) == expected
        add_late_point(offers[0])
        assert manifest_of(MAY).name != "2021-05.json"
        ArchivedMonth.objects.update(row_count=told["rows"], content_hash=told["content_hash"])
        assert manifest_of(MAY).name == "2021-05.json"
        assert answers(offers) == expected
        unarchive(MAY)
        assert rows(MAY) == before

    def test_of_the_same_rows_is_the_same(self, archive_dir):
        make_history(offers=4)
        archive(MAY)
        before = manifest_of(MAY)
        unarchive(MAY)

        archive(MAY)

        assert manifest_of(MAY) == before
        assert found(archive_dir) == {*files(MAY), before}


class TestManifest:
    def test_that_was_changed_is_an_error(self):
        make_history(offers=4)
        archive(MAY)
        path = manifest_of(MAY)
        path.write_text(path.read_text().replace('"platform": "uzum"', '"platform": "ozon"'))

        with pytest.raises(ArchiveError, match=r"is damaged: its SHA-256 does not fit\. Copy"):
            queries.monthly_prices()

    def test_that_lost_its_hash_is_an_error(self):
        make_history(offers=4)
        archive(MAY)
        path = manifest_of(MAY)
        told = json.loads(path.read_text())
        del told["sha256"]
        path.write_text(json.dumps(told))

        with pytest.raises(ArchiveError, match="its SHA-256 does not fit"):
            queries.monthly_prices()

    @pytest.mark.parametrize("is_older", [False, True])
    def test_that_lacks_a_file_is_an_error(self, is_older):
        make_history(offers=4)
        archive(MAY)
        path = manifest_of(MAY)
        told = json.loads(path.read_text())
        rewrite(path, files=[each for each in told["files"] if each["platform"] != "uzum"])
        if is_older:
            changed = json.loads(path.read_text())
            del changed["sha256"]
            path.unlink()
            path = manifests.folder() / "2021-05.json"
            path.write_text(json.dumps(changed))

        with pytest.raises(ArchiveError, match=r"is damaged: its files have \d+ rows, it says"):
            queries.monthly_prices()
        assert path.name in run("db_unarchive", "2021-05").err

    def test_of_fewer_rows_than_the_database_says_is_an_error(self):
        make_history(offers=4)
        archive(MAY)
        told = json.loads(manifest_of(MAY).read_text())
        shorter = [each for each in told["files"] if each["platform"] != "uzum"]
        rewrite(manifest_of(MAY), files=shorter, rows=sum(each["rows"] for each in shorter))

        with pytest.raises(ArchiveError, match=rf"and the database {told['rows']}\."):
            queries.monthly_prices()

    def test_of_another_month_is_an_error(self):
        make_history(offers=4)
        archive(MAY)
        rewrite(manifest_of(MAY), month="2021-06")

        with pytest.raises(ArchiveError, match="is not what the database names: it is 2021-06"):
            queries.monthly_prices()


class TestListing:
    def test_names_months_whose_files_are_not_there(self):
        make_history(offers=4)
        archive(MAY, JUNE)
        gone = files(MAY)[0]
        gone.unlink()

        lines = run("db_partitions").out.splitlines()

        told = {line.split()[0]: line for line in lines[1:]}
        assert (
            f"{gone} is not what was archived: it cannot be read: No such file" in told["2021-05"]
        )
        assert told["2021-06"].endswith(" rows")

    def test_takes_a_database_without_archives(self):
        with connections["ecommerce"].cursor() as cursor:
            cursor.execute("SET search_path = pg_catalog")
            try:
                assert partitions.lacking_files(cursor) == []
            finally:
                cursor.execute("RESET search_path")
