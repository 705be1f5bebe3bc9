import json
import re
import shutil
import subprocess
import threading
from datetime import timedelta

import pytest
from django.db import connections

from marketplace.backups import files, manifests, scratch, sets, target_databases, verify
from marketplace.databases.names import database_name
from marketplace.postgresql import programs
from tests import factories
from tests.commands import run
from tests.marketplace.backups.conftest import NAME, NOW, back_up, copy, flip, rewrite

pytestmark = pytest.mark.django_db(databases=["default", "procurement"], transaction=True)


def fake_client(folder, version):
    """Make a pg_dump that says it is of a version, and whose every use is noticed."""
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
    def test_refuses_to_leave_settings_in_the_sessions_of_others(
        self, command, folder, monkeypatch
    ):
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
        lines = re.sub(r"[\d.,]+ (?=s\b|MB|tables|rows)", "* ", outcome.out).splitlines()
        assert sorted(lines[:-1]) == sorted(
            f"{alias.upper()}: dumped {database_name(alias)}, * tables, * rows: * MB, * s"
            for alias in ("default", "ecommerce", "classifieds", "procurement")
        )
        assert lines[-1] == f"{name}: 4 databases, * MB, * s in {folder}"
        assert (outcome.err, outcome.code) == ("", 0)
        assert [path.name for path in folder.iterdir() if path.name != ".lock"] == [name]

    def test_keeps_what_the_database_was(self):
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

    def test_counts_in_the_snapshot_that_is_dumped(self):
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
            assert scratch.compare("procurement", "scratch_copy", dump) == ([], [])

    def test_can_be_read_by_pg_restore_alone(self, folder):
        back_up("procurement")

        program = programs.program_path("pg_restore")
        command = [program, "--list", folder / NAME / "procurement"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)

        assert "TABLE DATA public procurement_lots " in done.stdout

    def test_keeps_others_out_of_the_files(self, folder):
        back_up("default")

        paths = [folder / NAME, *(folder / NAME).rglob("*")]
        assert {path.stat().st_mode & 0o077 for path in paths} == {0}

    @pytest.mark.django_db(databases=["default", "ecommerce"], transaction=True)
    def test_goes_on_when_a_database_fails(self, move):
        move("ecommerce", 1)

        outcome = run("db_backup", "--database", "ecommerce", "--database", "default")

        [name] = sets.names()
        manifest = sets.read(name)
        assert manifest.databases.keys() == {"default"}
        assert "Connection refused" in manifest.failed["ecommerce"]
        assert outcome.err.startswith("ECOMMERCE: connection to server at")
        assert outcome.err.endswith("CommandError: 1 of 2 databases failed: ecommerce\n")
        assert outcome.code == 1

    @pytest.mark.django_db(databases=["ecommerce"], transaction=True)
    def test_writes_no_set_when_all_fail(self, move, folder):
        move("ecommerce", 1)

        outcome = run("db_backup", "--database", "ecommerce")

        assert outcome.err.endswith("No database could be dumped: no set was written.\n")
        assert [path.name for path in folder.iterdir()] == [".lock"]

    def test_says_what_it_would_do(self, folder):
        outcome = run("db_backup", "--dry-run", "--database", "default")

        assert re.fullmatch(
            rf"DEFAULT: Would dump {database_name('default')} \([\d.]+ MB\) by pg_dump [\d.]+, "
            r"(gzip|zstd):\d; about [\d.]+ MB\n",
            outcome.out,
        )
        assert not folder.exists()


class TestRefusals:
    def test_of_a_client_older_than_the_server(self, settings, tmp_path):
        settings.POSTGRES_BIN = str(fake_client(tmp_path / "bin", "9.6.1"))

        outcome = run("db_backup", "--database", "default")

        assert re.match(r"DEFAULT: pg_dump \d+ or newer is needed: \S+ is 9.6.1\.", outcome.err)
        assert (sets.names(), outcome.code) == ([], 1)

    def test_of_a_disk_without_room(self, folder, low_disk):
        outcome = run("db_backup", "--database", "default")

        assert f"The disk of {folder} has 0 MB free. The set needs about" in outcome.err
        assert (sets.names(), outcome.code) == ([], 1)

    def test_of_filling_the_disk(self, folder, monkeypatch):
        usage = shutil.disk_usage("/")
        rooms = iter([usage, usage._replace(free=5_000_000)])
        monkeypatch.setattr(shutil, "disk_usage", lambda path: next(rooms))

        outcome = run("db_backup", "--database", "default")

        assert f"The disk of {folder} has only 5 MB left: given up" in outcome.err
        assert [path.name for path in folder.iterdir()] == [".lock"]
        assert outcome.code == 1

    def test_of_a_folder_that_cannot_be_written(self, settings, tmp_path):
        (tmp_path / "file").write_text("")
        settings.BACKUP_DIR = tmp_path / "file" / "backups"

        outcome = run("db_backup", "--database", "default")

        assert outcome.err == (
            f"CommandError: Cannot write {settings.BACKUP_DIR}: Not a directory. Set BACKUP_DIR to "
            "a folder that can be written, on a disk with room.\n"
        )
        assert outcome.code == 1

    def test_of_a_second_one_at_once(self):
        with sets.exclusive_lock():
            outcome = run("db_backup", "--database", "default")

        assert re.search(r"Another backup is at work in \S+: process \d+ on ", outcome.err)
        assert (sets.names(), outcome.code) == ([], 1)


class TestVerify:
    def test_finds_nothing_in_a_good_set(self):
        back_up("default")

        outcome = run("db_backup", "--verify")

        assert re.fullmatch(rf"{NAME}: ok \(default; \d+ files, [\d.]+ MB\)\n", outcome.out)
        assert (outcome.err, outcome.code) == ("", 0)

    @pytest.mark.parametrize("file", ["toc.dat", "*.dat.gz", "manifest"])
    @pytest.mark.parametrize("place", [0, -1])
    def test_names_the_file_in_which_a_byte_was_flipped(self, folder, file, place):
        back_up("default")
        path = folder / NAME / manifests.MANIFEST
        if file != "manifest":
            path = next((folder / NAME / "default").glob(file))
        flip(path, place)

        outcome = run("db_backup", "--verify", NAME)

        assert path.name in outcome.out
        assert outcome.err == f"CommandError: 1 of 1 set failed: {NAME}\n"
        assert outcome.code == 1

    def test_names_each_file_that_is_missing(self, folder):
        back_up("default")
        for path in sorted((folder / NAME).rglob("*.*")):
            path.rename(folder / "away")

            outcome = run("db_backup", "--verify", NAME)

            assert f"{path.name} is missing" in outcome.out, path
            assert outcome.code == 1
            (folder / "away").rename(path)
        assert run("db_backup", "--verify", NAME).code == 0

    def test_finds_any_byte_of_the_manifest_that_was_flipped(self, folder):
        back_up("default")
        path = folder / NAME / manifests.MANIFEST
        for place in range(0, path.stat().st_size, 211):
            flip(path, place)

            assert run("db_backup", "--verify", NAME).code == 1, place
            flip(path, place)

    def test_names_a_file_that_does_not_belong(self, folder):
        back_up("default")
        (folder / NAME / "default" / "9.dat.gz").write_text("")

        outcome = run("db_backup", "--verify", NAME)

        assert "   default/9.dat.gz is not in the manifest\n" in outcome.out
        assert outcome.code == 1

    def test_names_a_dump_that_cannot_be_read_though_its_hash_is_right(self, folder):
        manifest = back_up("default")
        dump = manifest.databases["default"]
        key = next(key for key in dump.files if key.endswith(".gz"))
        path = folder / NAME / "default" / key
        # Whole, it is at least 20 bytes.
        path.write_bytes(path.read_bytes()[:15])
        dump.files[key] = manifests.File(15, files.digest(path))
        rewrite(manifest)

        outcome = run("db_backup", "--verify", NAME)

        assert "   default cannot be read: pg_restore failed: " in outcome.out
        assert outcome.code == 1

    @pytest.mark.parametrize("name", ["../../x", "2026-06-01T03-00-00Z/..", ".lock", "*"])
    def test_takes_no_path_for_a_name(self, name):
        outcome = run("db_backup", "--verify", name)

        assert f"{name!r} is not the name of a set" in outcome.err
        assert outcome.code == 1

    def test_refuses_a_set_that_there_is_not(self):
        outcome = run("db_backup", "--verify", NAME)

        assert f"There is no set {NAME}" in outcome.err

    def test_names_a_link_that_does_not_belong(self, folder, tmp_path):
        back_up("default")
        (tmp_path / "elsewhere").mkdir()
        (folder / NAME / "default" / "link").symlink_to(tmp_path / "elsewhere")

        outcome = run("db_backup", "--verify", NAME)

        assert "   default/link is not in the manifest\n" in outcome.out
        assert outcome.code == 1

    def test_goes_on_after_what_is_no_set(self, folder):
        back_up("default")
        (folder / "2026-12-30T00-00-00Z").write_text("")

        outcome = run("db_backup", "--verify")

        assert outcome.out.startswith("2026-12-30T00-00-00Z: 1 problem\n")
        assert "is no folder, or one that cannot be entered: it is not a set." in outcome.out
        assert f"{NAME}: ok (" in outcome.out
        assert outcome.err == "CommandError: 1 of 2 sets failed: 2026-12-30T00-00-00Z\n"

    def test_goes_on_after_a_set_that_is_removed_meanwhile(self, monkeypatch):
        manifest = back_up("default")
        newer = copy(manifest, NOW + timedelta(days=1)).name
        whole = verify.verify

        def removing(name, **options):
            if name == newer:
                with sets.exclusive_lock():
                    sets.remove(name)
            return whole(name, **options)

        monkeypatch.setattr(verify, "verify", removing)

        outcome = run("db_backup", "--verify")

        assert outcome.out.startswith(f"{NAME}: ok (")
        assert (outcome.err, outcome.code) == (f"{newer} was removed meanwhile\n", 0)

    def test_says_the_same_to_a_program(self, folder):
        copy(back_up("default"), NOW + timedelta(days=1))
        flip(folder / NAME / "default" / "toc.dat", 9)

        outcome = run("db_backup", "--verify", "--format", "json")

        newer, older = json.loads(outcome.out)
        assert (newer["name"], newer["problems"]) == ("2026-06-02T03-00-00Z", [])
        [problem] = older["problems"]
        assert problem.startswith("default/toc.dat has changed")


class TestList:
    def test_says_that_there_is_none(self, folder):
        assert run("db_backup", "--list") == (f"There is no set in {folder}\n", "", 0)

    def test_names_the_sets_newest_first(self, folder):
        manifest = back_up("default")
        copy(manifest, NOW + timedelta(days=1))
        rewrite(manifest, failed={"ecommerce": "it does not answer"})
        (folder / "2026-05-01T00-00-00Z").mkdir()

        lines = run("db_backup", "--list").out.splitlines()

        assert re.fullmatch(r"2026-06-02T03-00-00Z +[\d.]+ MB  default", lines[0])
        assert re.fullmatch(rf"{NAME} +[\d.]+ MB  default  without ecommerce", lines[1])
        assert lines[2].endswith("manifest.json is missing: the set is not complete.")

    def test_says_the_same_to_a_program(self):
        back_up("default")

        [found] = json.loads(run("db_backup", "--list", "--format", "json").out)

        assert (found["name"], found["error"], found["failed"]) == (NAME, "", {})
        assert found["databases"]["default"]["database"] == database_name("default")


class TestUnreadableManifest:
    @pytest.fixture(params=["time", "zone", "size", "list", "nested", "project"])
    def path(self, request, folder):
        """A manifest whose hash fits, or that would end whoever reads it."""
        back_up("default")
        path = folder / NAME / manifests.MANIFEST
        if request.param == "nested":
            path.write_text("[" * 200_000)
            return path
        document = json.loads(path.read_text())
        del document["sha256"]
        dump = document["databases"]["default"]
        changes = {
            "time": {"created_at": "x"},
            "zone": {"databases": {"default": dump | {"started_at": "2026-06-01T03:00:00"}}},
            "size": {
                "databases": {"default": dump | {"files": {"a": {"size": "1", "sha256": ""}}}}
            },
            "list": {"databases": []},
            "project": {"project": None},
        }
        document |= changes[request.param]
        digest = manifests._digest(document)
        path.write_text(manifests._encoded({"sha256": digest} | document))
        return path

    def test_is_named_and_stops_nothing(self, path):
        listed = run("db_backup", "--list")
        verified = run("db_backup", "--verify")
        status = run("db_status", "--database", "procurement")
        made = run("db_backup", "--database", "default")

        assert str(path) in listed.out
        assert (listed.err, listed.code) == ("", 0)
        assert str(path) in verified.out
        assert verified.code == 1
        assert "   Last backup: none recorded" in status.out
        assert f"{NAME} is broken: see why" in made.err
        assert made.code == 0
        assert sets.last_backup_at("default") > NOW


class TestStatus:
    @pytest.mark.django_db(databases=["ecommerce", "procurement"], transaction=True)
    def test_says_when_the_last_backup_was(self, folder):
        assert "   Last backup: none recorded" in run("db_status", "--database", "procurement").out

        run("db_backup", "--database", "procurement")

        assert "   Last backup: just now" in run("db_status", "--database", "procurement").out
        assert "   Last backup: none recorded" in run("db_status", "--database", "ecommerce").out

    def test_does_not_fail_over_a_damaged_manifest(self, folder):
        (folder / NAME).mkdir(parents=True)
        (folder / NAME / manifests.MANIFEST).write_text('{"sha256": 1}')

        assert "   Last backup: none recorded" in run("db_status", "--database", "procurement").out
