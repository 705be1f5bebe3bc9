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

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            (
                [NAME, "--database", "classifieds"],
                "does not contain classifieds, only ",
            ),
            ([NAME], "db_restore has no default database: add --database"),
            ([NAME, *PROCUREMENT, "--into", ""], "The name for the copy (--into) is empty."),
            ([NAME, *PROCUREMENT, "--into", " "], "The name for the copy (--into) is empty."),
            (
                [NAME, *PROCUREMENT, "--into", "", "--drop-old"],
                "--into requires exactly one --database, and excludes --drop-old.",
            ),
            (
                [NAME, *PROCUREMENT, "--into", "ж" * 32],
                f"The name {'ж' * 32} has 64 bytes; PostgreSQL allows 63.",
            ),
            (["", *PROCUREMENT, "--drop-old"], "'' is not the name of a set"),
        ],
    )
    def test_invalid_arguments(self, arguments, text):
        self.refuses(run("db_restore", *arguments, "--force"), text)

    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({"system_identifier": "1"}, f"The set {NAME} is foreign: it was made on another"),
            ({"database": "staging_db"}, "its database is staging_db, and the live database is"),
            (
                {"migrations": {"procurement": "9999_future"}},
                "does not have: procurement.9999_future. Restore it with the code",
            ),
            (
                {"migrations": {"procurement": "0013_standing_times"}},
                "does not have: procurement.0013_standing_times. Restore it with the code",
            ),
            ({"server": "99.1"}, "The dump was made on PostgreSQL 99.1, and this server is "),
            (
                {"roles": ["postgres", "nobody_here"]},
                "The server does not have the role nobody_here, to which the dump grants "
                "privileges. Create it: CREATE ROLE nobody_here LOGIN; in psql as a superuser",
            ),
            (
                {"tables": {"public.procurement_lots": 3}},
                "table public.procurement_lots: 1 row, but the manifest says 3 rows",
            ),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
    )
    def test_set_that_does_not_fit(self, manifest, changes, text):
        dump = manifest.databases["procurement"]
        if "tables" in changes:
            changes = {"tables": dump.tables | changes["tables"]}
        rewrite(manifest, databases={"procurement": replace(dump, **changes)})

        self.refuses(restore(), text)

    @pytest.mark.parametrize("others", [[], ["nobody-here"]])
    def test_missing_roles_of_the_project(self, monkeypatch, others):
        own = f"{database_name('procurement')}_loader"
        missing = [*others, own]
        monkeypatch.setattr(target_databases, "missing_roles", lambda cursor, roles: missing)

        outcome = restore()

        self.refuses(outcome, "python manage.py init_all")
        assert ('CREATE ROLE "nobody-here" LOGIN; in psql' in outcome.err) == bool(others)
        assert "CREATE ROLE" not in outcome.err or others

    def test_set_of_another_project(self, folder):
        path = folder / NAME / manifests.MANIFEST
        path.write_text(path.read_text().replace('"marketplace"', '"other"', 1))

        self.refuses(restore(), "was changed or is damaged")

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
