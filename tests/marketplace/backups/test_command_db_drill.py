import json
import re
from dataclasses import replace
from datetime import timedelta

import psycopg2
import pytest

from marketplace.backups import manifests
from marketplace.databases.names import ALL_ALIASES, database_name
from tests import factories
from tests.commands import run
from tests.marketplace.backups.conftest import (
    NAME,
    NOW,
    back_up,
    connect,
    copy,
    fingerprint,
    other_databases,
    rewrite,
)

pytestmark = pytest.mark.django_db(databases=["default", "procurement"], transaction=True)

_COUNTERS = """
SELECT datname, tup_inserted, tup_updated, tup_deleted, xact_commit
FROM pg_stat_database WHERE datname = ANY(%(names)s) ORDER BY 1
"""


def counters():
    with connect("postgres") as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(_COUNTERS, {"names": [database_name(alias) for alias in ALL_ALIASES]})
        return cursor.fetchall()


def change(manifest, alias, **changes):
    dump = replace(manifest.databases[alias], **changes)
    rewrite(manifest, databases=manifest.databases | {alias: dump})


class TestDbDrill:
    def test_good_set(self):
        factories.lot_item()
        back_up("default", "procurement")

        outcome = run("db_drill")

        text = re.sub(r"[\d.,]+ (?=s\b|tables|rows)", "* ", outcome.out)
        text = re.sub(r"data .* old", "data * old", text)
        summary = "(* tables, * rows; restored in * s, compared in * s; data * old)"
        assert text == (
            f"DEFAULT: ok {summary}\nPROCUREMENT: ok {summary}\n"
            f"Not in the set {NAME}, so not drilled: ecommerce, classifieds\n"
        )
        assert (outcome.err, outcome.code) == ("", 0)
        assert other_databases("procurement") == []

    def test_live_databases_are_not_used(self):
        factories.lot_item()
        back_up("procurement")
        content = fingerprint(database_name("procurement"))
        before = counters()

        run("db_drill")

        assert counters() == before
        assert fingerprint(database_name("procurement")) == content

    def test_missing_row(self):
        factories.lot_item()
        manifest = back_up("procurement")
        tables = manifest.databases["procurement"].tables
        change(manifest, "procurement", tables=tables | {"public.procurement_lot_items": 2})

        outcome = run("db_drill", NAME)

        assert "PROCUREMENT: 1 difference (" in outcome.out
        assert (
            "   table public.procurement_lot_items: 1 row, but the manifest says 2 rows\n"
        ) in outcome.out
        assert outcome.err == "CommandError: 1 of 1 database failed: procurement\n"
        assert outcome.code == 1
        assert other_databases("procurement") == []

    @pytest.mark.parametrize(
        ("field", "value", "line"),
        [
            ("migrations", {"procurement": "0001_x"}, "migration of procurement: 0"),
            ("objects", {"triggers": 9}, "number of triggers: 1, but the manifest says 9"),
            ("extensions", {"cube": "1"}, "extension cube: is missing"),
        ],
    )
    def test_other_differences(self, field, value, line):
        manifest = back_up("procurement")
        change(manifest, "procurement", **{field: value})

        outcome = run("db_drill", NAME)

        assert f"   {line}" in outcome.out
        assert outcome.code == 1

    def test_missing_table(self):
        manifest = back_up("procurement")
        tables = manifest.databases["procurement"].tables
        change(manifest, "procurement", tables=tables | {"public.absent": 0})

        outcome = run("db_drill", NAME)

        assert "   table public.absent: absent, but the manifest says 0 rows\n" in outcome.out

    def test_invalid_indexes_are_no_difference(self):
        live = database_name("procurement")
        with connect(live) as cursor:
            # pg_dump writes the index of a partitioned table even if it is invalid.
            cursor.execute("CREATE TABLE parted (id int) PARTITION BY LIST (id)")
            cursor.execute("CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1)")
            cursor.execute("INSERT INTO parted VALUES (1), (1)")
            cursor.execute("CREATE INDEX parted_id ON ONLY parted (id)")
            with pytest.raises(psycopg2.errors.UniqueViolation):
                cursor.execute("CREATE UNIQUE INDEX CONCURRENTLY failed ON parted_1 (id)")
            # A constraint that is NOT VALID is dumped as such.
            cursor.execute("ALTER TABLE parted_1 ADD CONSTRAINT few CHECK (id > 1) NOT VALID")
            back_up("procurement")
            cursor.execute("DROP TABLE parted")

        outcome = run("db_drill")

        assert "PROCUREMENT: ok (" in outcome.out
        assert (outcome.err, outcome.code) == ("", 0)

    def test_triggers_of_temporary_tables_are_no_difference(self):
        with connect(database_name("procurement")) as cursor:
            cursor.execute("CREATE TEMPORARY TABLE mine (id int)")
            cursor.execute(
                "CREATE TRIGGER mine BEFORE UPDATE ON mine FOR EACH ROW "
                "EXECUTE FUNCTION suppress_redundant_updates_trigger()"
            )
            back_up("procurement")

        outcome = run("db_drill")

        assert (outcome.err, outcome.code) == ("", 0)

    def test_additional_index(self):
        manifest = back_up("procurement")
        objects = manifest.databases["procurement"].objects
        number = objects["indexes"]
        change(manifest, "procurement", objects=objects | {"indexes": number - 1})

        outcome = run("db_drill")

        assert f"   number of indexes: {number}, but the manifest says" in outcome.out
        assert outcome.code == 1

    def test_other_databases_are_drilled_if_a_dump_is_damaged(self, folder):
        back_up("default", "procurement")
        (folder / NAME / "default" / "toc.dat").unlink()

        outcome = run("db_drill")

        assert "   default/toc.dat is missing\n" in outcome.out
        assert "PROCUREMENT: ok (" in outcome.out
        assert outcome.code == 1

    def test_database_that_could_not_be_dumped(self):
        rewrite(back_up("default"), failed={"ecommerce": "it did not answer"})

        outcome = run("db_drill")

        assert f"ECOMMERCE: The set {NAME} does not contain ecommerce" in outcome.err
        assert outcome.code == 1

    def test_newest_set_is_the_default(self):
        manifest = back_up("default")
        copy(manifest, NOW + timedelta(days=1))

        [found] = json.loads(run("db_drill", "--format", "json").out)

        assert found["set_name"] == "2026-06-02T03-00-00Z"
        assert (found["alias"], found["error"], found["differences"]) == ("default", "", [])
        assert found["tables"] == len(manifest.databases["default"].tables)
        assert found["age_seconds"] >= 0

    def test_entry_that_is_not_a_set_is_skipped(self, folder):
        back_up("default")
        (folder / "2026-12-30T00-00-00Z").write_text("")

        outcome = run("db_drill")

        assert "DEFAULT: ok (" in outcome.out
        assert outcome.err == (
            f"{folder}/2026-12-30T00-00-00Z is not a set: it is not a folder, or cannot be "
            "entered. Move it out of BACKUP_DIR.\n"
        )
        assert outcome.code == 0

    def test_empty_name(self):
        back_up("default")

        assert "'' is not the name of a set" in run("db_drill", "").err

    def test_databases_of_an_interrupted_drill_are_dropped(self):
        back_up("default")
        left = f"{database_name('default')}_drill_20200101t000000z"
        with connect("postgres") as cursor:
            cursor.execute(f"CREATE DATABASE {left}")

        outcome = run("db_drill")

        assert outcome.err == f"DEFAULT: dropped {left}, left by an interrupted drill\n"
        assert outcome.code == 0
        assert other_databases("default") == []

    def test_no_set(self, folder):
        outcome = run("db_drill")

        assert outcome.err == (
            f"CommandError: {folder} contains no backup sets. "
            "Create one: python manage.py db_backup.\n"
        )

    def test_damaged_manifest(self, folder):
        back_up("default")
        (folder / NAME / manifests.MANIFEST).write_text("{}")

        outcome = run("db_drill")

        assert "manifest.json was changed or is damaged" in outcome.err
        assert outcome.code == 1
