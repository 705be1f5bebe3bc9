import shutil
import signal
from dataclasses import replace
from itertools import chain, repeat

import pytest

from marketplace.backups import files, manifests, scratch, target_databases
from marketplace.databases.names import database_name
from tests.commands import run
from tests.marketplace.backups.conftest import (
    NAME,
    connect,
    databases,
    execute,
    fingerprint,
    other_databases,
    restore,
    rewrite,
    start,
)
from tests.marketplace.stage import wait

pytestmark = pytest.mark.django_db(databases=["procurement"], transaction=True)
PROCUREMENT = ["--database", "procurement"]


class TestRefusals:
    @pytest.fixture(autouse=True)
    def _same_afterwards(self, manifest, live):
        """Check that the live database is unchanged after each test."""
        before = fingerprint(live)
        yield
        assert fingerprint(live) == before
        assert [name for name in databases() if "_restore_" in name] == []

    def refuses(self, outcome, text):
        assert text in outcome.err
        assert outcome.code == 1
        assert outcome.out == ""

    def test_database_that_is_not_in_the_set(self):
        outcome = run("db_restore", NAME, "--database", "classifieds", "--force")

        self.refuses(outcome, f"The set {NAME} does not contain classifieds, only procurement.")

    def test_missing_name_of_the_database(self):
        self.refuses(run("db_restore", NAME), "db_restore has no default database: add --database")

    def test_set_of_another_server(self, manifest):
        dump = manifest.databases["procurement"]
        self.become(manifest, system_identifier="1", database=dump.database)

        self.refuses(restore(), f"The set {NAME} is foreign: it was made on another server.")

    def test_set_of_another_database(self, manifest):
        self.become(manifest, database="staging_db")

        self.refuses(restore(), "its database is staging_db, and the live database is")

    def test_set_of_another_project(self, folder):
        path = folder / NAME / manifests.MANIFEST
        path.write_text(path.read_text().replace('"marketplace"', '"other"', 1))

        self.refuses(restore(), "was changed or is damaged")

    @pytest.mark.parametrize("name", ["9999_future", "0013_standing_times"])
    def test_unknown_migrations(self, manifest, name):
        self.become(manifest, migrations={"procurement": name})

        self.refuses(restore(), f"does not have: procurement.{name}. Restore it with the code")

    def test_server_older_than_the_dump(self, manifest):
        self.become(manifest, server="99.1")

        self.refuses(restore(), "The dump was made on PostgreSQL 99.1, and this server is ")

    def test_missing_roles(self, manifest):
        self.become(manifest, roles=["postgres", "nobody_here"])

        self.refuses(
            restore(),
            "The server does not have the role nobody_here, to which the dump grants privileges. "
            "Create it: CREATE ROLE nobody_here LOGIN; in psql as a superuser",
        )

    def test_missing_roles_of_the_project_and_of_others(self, manifest, monkeypatch):
        loader = f"{database_name('procurement')}_loader"
        monkeypatch.setattr(
            target_databases, "missing_roles", lambda cursor, roles: ["nobody-here", loader]
        )

        self.refuses(
            restore(),
            f"the roles nobody-here, {loader}, to which the dump grants privileges. Create them: "
            'python manage.py init_all, and CREATE ROLE "nobody-here" LOGIN; in psql',
        )

    def test_missing_roles_of_the_project(self, manifest, monkeypatch):
        loader = f"{database_name('procurement')}_loader"
        monkeypatch.setattr(target_databases, "missing_roles", lambda cursor, roles: [loader])

        outcome = restore()

        self.refuses(outcome, "Create it: python manage.py init_all")
        assert "CREATE ROLE" not in outcome.err

    def test_too_little_disk_space(self, monkeypatch):
        usage = shutil.disk_usage("/")
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))

        self.refuses(restore(), "The server's disk has 1,000 bytes free, and ")

    def test_disk_becoming_full(self, monkeypatch):
        rooms = chain([10**12], repeat(5_000_000))
        monkeypatch.setattr(target_databases, "free_bytes", lambda cursor, alias: next(rooms))
        monkeypatch.setattr(scratch, "_POLL_INTERVAL", 0.001)

        self.refuses(restore(), "The server's disk has only 4.8 MB left: the restore stopped")

    def test_name_that_is_taken(self, live):
        execute("postgres", "CREATE DATABASE taken_name")

        outcome = restore("--into", "taken_name")

        self.refuses(outcome, "A database taken_name already exists.")

    @pytest.mark.parametrize("name", ["", " "])
    def test_empty_name_of_a_copy(self, name):
        self.refuses(restore("--into", name), "The name for the copy (--into) is empty.")

    def test_empty_name_of_a_copy_with_drop_old(self):
        outcome = restore("--into", "", "--drop-old")

        self.refuses(outcome, "--into requires exactly one --database, and excludes --drop-old.")

    def test_name_that_is_too_long(self):
        outcome = restore("--into", "ж" * 32)

        self.refuses(outcome, f"The name {'ж' * 32} has 64 bytes; PostgreSQL allows 63.")

    def test_empty_name_of_a_set(self):
        outcome = run("db_restore", "", *PROCUREMENT, "--drop-old", "--force")

        self.refuses(outcome, "'' is not the name of a set")

    def test_damaged_set(self, folder):
        path = next((folder / NAME / "procurement").glob("*.gz"))
        path.write_bytes(path.read_bytes() + b"x")

        self.refuses(restore(), f"The set {NAME} is damaged: procurement/{path.name} has ")

    def test_unreadable_dump(self, manifest, folder):
        dump = manifest.databases["procurement"]
        key = max(dump.files, key=lambda key: (key != "toc.dat", dump.files[key].size))
        path = folder / NAME / "procurement" / key
        path.write_bytes(path.read_bytes()[:-12])
        dump.files[key] = manifests.File(path.stat().st_size, files.digest(path))
        rewrite(manifest)

        outcome = restore()

        self.refuses(outcome, "pg_restore failed: ")

    def test_difference_from_the_manifest(self, manifest):
        tables = manifest.databases["procurement"].tables
        self.become(manifest, tables=tables | {"public.procurement_lots": 3})

        self.refuses(
            restore(), "table public.procurement_lots: 1 row, but the manifest says 3 rows"
        )

    def test_second_restore_at_the_same_time(self, live):
        with connect("postgres") as cursor:
            cursor.execute(
                "SELECT pg_advisory_lock(hashtextextended(%(key)s, 0))",
                {"key": f"marketplace restore of {live}"},
            )
            outcome = restore()

        self.refuses(outcome, f"Another restore of {live} is running.")

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
    def test_killed_restore(self, live, number):
        process = start("db_restore", NAME, *PROCUREMENT, "--force")
        wait(
            lambda: other_databases("procurement") or process.poll() is not None,
            "nothing is restored",
        )
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
        assert process.returncode != 0, output
        [*left] = other_databases("procurement")

        dry = run("db_restore", NAME, *PROCUREMENT, "--dry-run")
        outcome = restore("--into", "copy_of_lots")

        # A terminated restore cleans up. After SIGKILL, the next one does.
        assert (left == []) == (number != signal.SIGKILL)
        for name in left:
            assert f"Would drop {name}, left by an interrupted restore" in dry.out
            assert f"dropped {name}, left by an interrupted restore" in outcome.err
        assert outcome.code == 0
        assert other_databases("procurement") == []

    def become(self, manifest, **changes):
        dump = replace(manifest.databases["procurement"], **changes)
        rewrite(manifest, databases={"procurement": dump})
