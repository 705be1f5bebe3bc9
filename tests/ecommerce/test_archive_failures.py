"""Missing resources and privileges: errors are reported, and no row is lost."""

import re
import resource
import tempfile
from contextlib import contextmanager

import pytest
from django.db import connections
from psycopg2.sql import SQL, Identifier

from ecommerce.archive import layout, manifests, months
from ecommerce.archive.months import Place
from ecommerce.models import ArchivedMonth
from tests.commands import run
from tests.ecommerce.archiving import AGE, MAY, archive, make_history, manifest_of, rows, unarchive

pytestmark = [
    pytest.mark.django_db(databases=["ecommerce"], transaction=True),
    pytest.mark.usefixtures("archive_dir"),
]


@contextmanager
def limit_file_size(size):
    """Limit the size of files, like a disk that becomes full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class TestMemory:
    @pytest.mark.parametrize(
        ("memory", "reason"),
        [("1 gigs", "is invalid: Parser Error: Unknown unit"), ("1MB", "is too little: ")],
    )
    def test_too_little_memory(self, memory, reason, settings):
        offer = make_history(offers=12)[0]
        before = rows(MAY)
        archive(MAY)
        settings.ARCHIVE_MEMORY = memory

        history_result = run("price_history", "uzum", offer.external_id)
        unarchive_result = run("db_unarchive", "2021-05")
        archive_result = run("db_archive", AGE, "--force")

        for result in (history_result, unarchive_result, archive_result):
            assert result.code == 1
            assert f"ARCHIVE_MEMORY={memory} {reason}" in result.err
            assert re.search("1GB,? in the environment or .env.", result.err)
        settings.ARCHIVE_MEMORY = "1GB"
        assert run("db_archive", AGE, "--force").code == 0
        unarchive(MAY)
        assert rows(MAY) == before

    def test_missing_temporary_folder(self, monkeypatch, tmp_path):
        offer = make_history(offers=1)[0]
        archive(MAY)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))

        result = run("price_history", "uzum", offer.external_id)

        assert "A temporary folder cannot be created: No such file or directory." in result.err


class TestFolder:
    def test_file_instead_of_the_folder_of_unfinished_files(self):
        make_history(offers=4)
        before = rows(MAY)
        archive(MAY)
        (layout.root() / ".partial").write_text("")

        assert run("db_unarchive", "2021-05").code == 0
        assert rows(MAY) == before
        assert not (layout.root() / ".partial").exists()

    def test_file_instead_of_the_archive(self, archive_dir):
        make_history(offers=4)
        archive_dir.write_text("")

        result = run("db_archive", AGE, "--force")

        assert f"ECOMMERCE: {archive_dir}" in result.err
        assert "There is a file instead of a folder" in result.err

    @pytest.mark.parametrize("name", ["platform=uzum", "manifests"])
    def test_file_instead_of_a_subfolder(self, name):
        make_history(offers=4)
        before = rows(MAY)
        layout.root().mkdir(parents=True)
        (layout.root() / name).write_text("")

        result = run("db_archive", AGE, "--force")

        assert result.code == 1
        assert f"2021-05 failed: {layout.root() / name}" in result.err
        assert "cannot be written: " in result.err
        assert rows(MAY) == before
        assert not ArchivedMonth.objects.exists()
        (layout.root() / name).unlink()
        assert run("db_archive", AGE, "--force").code == 0


class TestFullDisk:
    @pytest.mark.parametrize("size", [10, 1000, 4000])
    def test_months_stay_in_postgresql(self, size):
        make_history(offers=12)
        before = rows(MAY)

        with limit_file_size(size):
            result = run("db_archive", AGE, "--force")

        assert result.code == 1
        assert "2021-05 failed: " in result.err
        assert "2021-06 failed: " in result.err
        assert rows(MAY) == before
        assert not ArchivedMonth.objects.exists()
        assert list(layout.root().rglob("*.parquet")) == []
        assert not (layout.root() / ".partial").exists()
        assert run("db_archive", AGE, "--force").code == 0
        unarchive(MAY)
        assert rows(MAY) == before

    @pytest.mark.parametrize("size", [10, 1000])
    def test_archived_month_stays_archived(self, size):
        make_history(offers=12)
        before = rows(MAY)
        archive(MAY)

        with limit_file_size(size):
            result = run("db_unarchive", "2021-05")

        assert result.code == 1
        assert "File too large" in result.err
        assert months.place(MAY) is Place.ABSENT
        unarchive(MAY)
        assert rows(MAY) == before

    def test_earlier_files_are_kept(self):
        make_history(offers=12)
        archive(MAY)
        mark, kept = ArchivedMonth.objects.values().get(), manifest_of(MAY).read_bytes()
        unarchive(MAY)
        with connections["ecommerce"].cursor() as cursor:
            cursor.execute("UPDATE ecommerce_price_history SET price = price + 1")

        with limit_file_size(1000):
            assert run("db_archive", AGE, "--force").code == 1

        path = manifests.path_of(mark["month"], mark["content_hash"])
        assert path.read_bytes() == kept
        assert all((layout.root() / file.path).exists() for file in manifests.read(path).files)


class TestRole:
    @pytest.fixture
    def loader(self):
        """Use a role that may write, but owns no table."""
        with connections["ecommerce"].cursor() as cursor:
            role = Identifier("test_archive_loader")
            cursor.execute(SQL("CREATE ROLE {}").format(role))
            # As granted by db_grants --repair.
            cursor.execute(SQL("GRANT USAGE ON SCHEMA public TO {}").format(role))
            for kind in ("TABLES", "SEQUENCES"):
                cursor.execute(
                    SQL("GRANT ALL ON ALL {} IN SCHEMA public TO {}").format(SQL(kind), role)
                )
            cursor.execute(SQL("SET ROLE {}").format(role))
            yield
            cursor.execute("RESET ROLE")
            cursor.execute(SQL("DROP OWNED BY {}").format(role))
            cursor.execute(SQL("DROP ROLE {}").format(role))

    def test_other_role_than_the_owner(self, loader):
        with connections["ecommerce"].cursor() as cursor:
            cursor.execute("RESET ROLE")
            make_history(offers=4)
            before = rows(MAY)
            cursor.execute(
                "SELECT tableowner FROM pg_tables WHERE tablename = 'ecommerce_price_history'"
            )
            [owner] = cursor.fetchone()
            cursor.execute("SET ROLE test_archive_loader")

        archived, unarchive_result = (
            run("db_archive", AGE, "--force"),
            run("db_unarchive", "2021-05"),
        )

        for result in (archived, unarchive_result):
            assert result.code == 1
            assert (
                "test_archive_loader may not move months of the price history: only " in result.err
            )
            assert f"Run this command as {owner} or as a superuser" in result.err
        assert "db_grants" not in archived.err + unarchive_result.err
        assert rows(MAY) == before
        assert not ArchivedMonth.objects.exists()
        assert list(layout.root().rglob("*.parquet")) == []
