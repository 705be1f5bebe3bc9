import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.db import connections

from marketplace.databases.creation import create_database, database_exists
from marketplace.databases.revisions import all_migrations
from tests.commands import run

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def confirm(monkeypatch, *answers):
    replies = iter(answers)
    monkeypatch.setattr("builtins.input", lambda: next(replies))


class TestInitAll:
    def test_reports_changes_once(self, scratch):
        name, count = scratch("classifieds"), len(all_migrations("classifieds"))

        first = run("init_all", "--database", "classifieds")
        second = run("init_all", "--database", "classifieds")

        assert first == (
            f"CLASSIFIEDS: created database {name}, applied {count} migrations, created 3 roles\n",
            "",
            0,
        )
        assert second == ("CLASSIFIEDS: nothing to do\n", "", 0)

    def test_dry_run_reports_changes(self, scratch):
        name, count = scratch("ecommerce"), len(all_migrations("ecommerce"))

        outcome = run("init_all", "--database", "ecommerce", "--dry-run")

        assert outcome == (
            f"ECOMMERCE: Would create database {name}, apply {count} migrations, "
            "create 4 partitions, create 3 roles\n",
            "",
            0,
        )
        assert not database_exists("ecommerce")

    def test_continues_after_a_failure(self, set_port):
        run("init_all")
        set_port("ecommerce", 1)

        outcome = run("init_all")

        assert outcome.out == (
            "DEFAULT: nothing to do\nCLASSIFIEDS: nothing to do\nPROCUREMENT: nothing to do\n"
        )
        assert outcome.err.startswith("ECOMMERCE: connection to server at")
        assert outcome.err.endswith("CommandError: 1 of 4 databases failed: ecommerce\n")
        assert outcome.code == 1

    def test_concurrent_runs_do_not_collide(self, scratch):
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATA_DIR": str(settings.DATA_DIR),
            "CLASSIFIEDS_DB": scratch("classifieds"),
        }
        command = [sys.executable, "manage.py", "init_all", "--database", "classifieds"]

        processes = [
            subprocess.Popen(
                command, env=environment, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        printed = [process.communicate(timeout=60)[0] for process in processes]

        assert [process.returncode for process in processes] == [0, 0]
        count = len(all_migrations("classifieds"))
        assert sum(f"applied {count} migrations" in out for out in printed) == 1
        assert sum("applied" not in out for out in printed) == 1


class TestDropFirst:
    def test_requires_a_database(self):
        outcome = run("init_all", "--drop-first", "--force")

        assert outcome == (
            "",
            "CommandError: --drop-first needs the databases to drop: --database "
            "default|ecommerce|classifieds|procurement, repeated for several.\n",
            1,
        )

    def test_drops_after_confirmation(self, scratch, monkeypatch):
        name = self.make(scratch)
        confirm(monkeypatch, name)
        count = len(all_migrations("classifieds"))

        outcome = run("init_all", "--drop-first", "--database", "classifieds")

        assert outcome == (
            f"CLASSIFIEDS: dropped database {name}, created database {name}, "
            f"applied {count} migrations, created 3 roles\n",
            f"The database {name} will be dropped with all its data and the privileges granted "
            f"with db_grants. Type {name} to continue: ",
            0,
        )
        assert not self.is_kept()

    @pytest.mark.parametrize("answer", ["", "y", "classifieds"])
    def test_does_nothing_without_confirmation(self, scratch, monkeypatch, answer):
        self.make(scratch)
        confirm(monkeypatch, answer)

        outcome = run("init_all", "--drop-first", "--database", "classifieds")

        assert outcome.code == 1
        assert outcome.out == ""
        assert outcome.err.endswith("CommandError: Not confirmed: no changes were made.\n")
        assert self.is_kept()

    def test_dry_run_keeps_the_data(self, scratch):
        name, count = self.make(scratch), len(all_migrations("classifieds"))

        outcome = run("init_all", "--drop-first", "--database", "classifieds", "--dry-run")

        assert outcome == (
            f"CLASSIFIEDS: Would drop database {name}, create database {name}, "
            f"apply {count} migrations, create 3 roles\n",
            "",
            0,
        )
        assert self.is_kept()

    def test_force_needs_no_confirmation(self, scratch):
        self.make(scratch)

        outcome = run("init_all", "--drop-first", "--database", "classifieds", "--force")

        assert (outcome.err, outcome.code) == ("", 0)
        assert not self.is_kept()

    def make(self, scratch):
        name = scratch("classifieds")
        create_database("classifieds")
        with connections["classifieds"].cursor() as cursor:
            cursor.execute("CREATE TABLE precious (id int)")
        return name

    def is_kept(self):
        with connections["classifieds"].cursor() as cursor:
            cursor.execute("SELECT to_regclass('precious') IS NOT NULL")
            return cursor.fetchone() == (True,)
