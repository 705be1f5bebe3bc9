import re
import shutil
import subprocess
import threading

import pytest
from django.db import connections

from marketplace.backups import scratch, sets, target_databases
from marketplace.databases.names import database_name
from marketplace.postgresql import programs
from tests import factories
from tests.commands import run
from tests.marketplace.backups.conftest import NAME, back_up

pytestmark = pytest.mark.django_db(databases=["default", "procurement"], transaction=True)


def fake_client(folder, version):
    """Make a pg_dump that only prints its version."""
    folder.mkdir()
    program = folder / "pg_dump"
    program.write_text(f"#!/bin/sh\n[ $1 = --version ] && echo 'pg_dump (PostgreSQL) {version}'\n")
    program.chmod(0o755)
    return folder


@pytest.fixture
def low_disk(monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))


class TestPooler:
    @pytest.mark.parametrize("command", ["db_backup", "db_drill"])
    def test_connection_through_a_pooler_is_refused(self, command, folder, monkeypatch):
        back_up("procurement")
        monkeypatch.setitem(
            connections["procurement"].settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True
        )

        outcome = run(command, "--database", "procurement")

        assert outcome.code == 1
        assert "through a pooler" in outcome.err
        assert "DISABLE_SERVER_SIDE_CURSORS=false" in outcome.err


class TestDbBackup:
    @pytest.mark.django_db(databases="__all__", transaction=True)
    def test_dumps_all_databases_as_one_set(self, folder):
        factories.lot()

        outcome = run("db_backup")

        [name] = sets.names()
        lines = (
            re.sub(r"[\d.,]+ (?=s\b|kB|MB|tables|rows)", "* ", outcome.out)
            .replace("kB", "MB")
            .splitlines()
        )
        assert sorted(lines[:-1]) == sorted(
            f"{alias.upper()}: dumped {database_name(alias)}, * tables, * rows: * MB, * s"
            for alias in ("default", "ecommerce", "classifieds", "procurement")
        )
        assert lines[-1] == f"{name}: 4 databases, * MB, * s in {folder}"
        assert (outcome.err, outcome.code) == ("", 0)
        assert [path.name for path in folder.iterdir() if path.name != ".lock"] == [name]

    def test_manifest_describes_the_database(self):
        factories.lot_item()

        manifest = back_up("procurement")

        dump = manifest.databases["procurement"]
        assert sets.read(NAME).databases["procurement"].files == dump.files
        assert dump.tables["public.procurement_lots"] == 1
        assert dump.tables["public.procurement_lot_items"] == 1
        assert dump.tables["public.procurement_organizations"] == 0
        assert dump.migrations["procurement"].startswith("00")
        assert dump.migrations.keys() == {"procurement"}
        assert "pg_trgm" in dump.extensions
        assert dump.server == dump.client.split()[0]
        assert "toc.dat" in dump.files

    @pytest.mark.django_db(databases=["ecommerce"], transaction=True)
    def test_counts_rows_of_each_partition(self):
        factories.price_point(offer=factories.offer())

        tables = back_up("ecommerce").databases["ecommerce"].tables

        assert tables["public.ecommerce_price_history_2026_11"] == 1
        assert "public.ecommerce_price_history" not in tables

    def test_rows_are_counted_in_the_snapshot_of_the_dump(self):
        stop, count = threading.Event(), 0

        def write():
            nonlocal count
            while not stop.is_set():
                cursor.execute(insert, {"at": factories.SEEN, "key": str(count)})
                count += 1

        insert = (
            "INSERT INTO procurement_organizations "
            "(platform, external_id, first_seen_at, last_seen_at, updated_at) "
            "VALUES ('uzex', %(key)s, %(at)s, %(at)s, %(at)s)"
        )
        with target_databases.session("procurement", database_name("procurement")) as cursor:
            writer = threading.Thread(target=write)
            writer.start()
            manifest = back_up("procurement")
            stop.set()
            writer.join()

        dump = manifest.databases["procurement"]
        assert dump.tables["public.procurement_organizations"] < count
        with (
            target_databases.session("procurement") as cursor,
            scratch.rebuilt(cursor, "procurement", NAME, dump, "scratch_copy", jobs=1),
        ):
            assert scratch.compare("procurement", "scratch_copy", dump) == []

    def test_pg_restore_reads_a_dump(self, folder):
        back_up("procurement")

        program = programs.program_path("pg_restore")
        command = [program, "--list", folder / NAME / "procurement"]
        result = subprocess.run(command, capture_output=True, text=True, check=True)

        assert "TABLE DATA public procurement_lots " in result.stdout

    def test_files_are_private(self, folder):
        back_up("default")

        paths = [folder / NAME, *(folder / NAME).rglob("*")]
        assert {path.stat().st_mode & 0o077 for path in paths} == {0}

    @pytest.mark.django_db(databases=["default", "ecommerce"], transaction=True)
    def test_other_databases_are_dumped_if_one_fails(self, set_port):
        set_port("ecommerce", 1)

        outcome = run("db_backup", "--database", "ecommerce", "--database", "default")

        [name] = sets.names()
        manifest = sets.read(name)
        assert manifest.databases.keys() == {"default"}
        assert "Connection refused" in manifest.failed["ecommerce"]
        assert outcome.err.startswith("ECOMMERCE: connection to server at")
        assert outcome.err.endswith("CommandError: 1 of 2 databases failed: ecommerce\n")
        assert outcome.code == 1

    @pytest.mark.django_db(databases=["ecommerce"], transaction=True)
    def test_no_set_is_written_if_all_fail(self, set_port, folder):
        set_port("ecommerce", 1)

        outcome = run("db_backup", "--database", "ecommerce")

        assert outcome.err.endswith("No database could be dumped: no set was written.\n")
        assert [path.name for path in folder.iterdir()] == [".lock"]

    def test_dry_run(self, folder):
        outcome = run("db_backup", "--dry-run", "--database", "default")

        assert re.fullmatch(
            rf"DEFAULT: Would dump {database_name('default')} \([\d.]+ MB\) by pg_dump [\d.]+, "
            r"(gzip|zstd):\d; about [\d.]+ MB\n",
            outcome.out,
        )
        assert not folder.exists()


class TestRefusals:
    def test_client_older_than_the_server(self, settings, tmp_path):
        settings.POSTGRES_BIN = str(fake_client(tmp_path / "bin", "9.6.1"))

        outcome = run("db_backup", "--database", "default")

        assert re.match(r"DEFAULT: pg_dump \d+ or newer is needed, but \S+ is 9.6.1\.", outcome.err)
        assert (sets.names(), outcome.code) == ([], 1)

    def test_too_little_disk_space(self, folder, low_disk):
        outcome = run("db_backup", "--database", "default")

        assert f"The disk of {folder} has 1,000 bytes free. The set needs about" in outcome.err
        assert (sets.names(), outcome.code) == ([], 1)

    def test_disk_becoming_full(self, folder, monkeypatch):
        usage = shutil.disk_usage("/")
        rooms = iter([usage, usage._replace(free=5_000_000)])
        monkeypatch.setattr(shutil, "disk_usage", lambda path: next(rooms))

        outcome = run("db_backup", "--database", "default")

        assert f"Backup aborted: only 4.8 MB free on the disk of {folder}." in outcome.err
        assert [path.name for path in folder.iterdir()] == [".lock"]
        assert outcome.code == 1

    def test_folder_that_cannot_be_written(self, settings, tmp_path):
        (tmp_path / "file").write_text("")
        settings.BACKUP_DIR = tmp_path / "file" / "backups"

        outcome = run("db_backup", "--database", "default")

        assert outcome.err == (
            f"CommandError: Cannot write {settings.BACKUP_DIR}: Not a directory. Set BACKUP_DIR to "
            "a writable folder on a disk with free space.\n"
        )
        assert outcome.code == 1

    def test_second_backup_at_the_same_time(self):
        with sets.exclusive_lock():
            outcome = run("db_backup", "--database", "default")

        assert re.search(r"Another backup is running in \S+: process \d+ on ", outcome.err)
        assert (sets.names(), outcome.code) == ([], 1)
