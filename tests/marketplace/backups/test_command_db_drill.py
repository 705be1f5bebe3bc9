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
    beside,
    connect,
    copy,
    fingerprint,
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
    def test_is_green_on_a_good_set(self):
        factories.lot_item()
        back_up("default", "procurement")

        outcome = run("db_drill")

        text = re.sub(r"[\d.,]+ (?=s\b|tables|rows)", "* ", outcome.out)
        text = re.sub(r"data .* old", "data * old", text)
        told = "(* tables, * rows; restored in * s, compared in * s; data * old)"
        assert text == (
            f"DEFAULT: ok {told}\nPROCUREMENT: ok {told}\n"
            f"Not in the set {NAME}, so not drilled: ecommerce, classifieds\n"
        )
        assert (outcome.err, outcome.code) == ("", 0)
        assert beside("procurement") == []

    def test_never_touches_a_live_database(self):
        factories.lot_item()
        back_up("procurement")
        content = fingerprint(database_name("procurement"))
        before = counters()

        run("db_drill")

        assert counters() == before
        assert fingerprint(database_name("procurement")) == content

    def test_is_red_when_the_manifest_has_a_row_more(self):
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
        assert beside("procurement") == []

    @pytest.mark.parametrize(
        ("field", "value", "line"),
        [
            ("migrations", {"procurement": "0001_x"}, "migration of procurement: 0"),
            ("objects", {"triggers": 9}, "number of triggers: 1, but the manifest says 9"),
            ("extensions", {"cube": "1"}, "extension cube: is missing"),
        ],
    )
    def test_is_red_when_something_else_differs(self, field, value, line):
        manifest = back_up("procurement")
        change(manifest, "procurement", **{field: value})

        outcome = run("db_drill", NAME)

        assert f"   {line}" in outcome.out
        assert outcome.code == 1

    def test_is_red_for_a_table_that_is_missing(self):
        manifest = back_up("procurement")
        tables = manifest.databases["procurement"].tables
        change(manifest, "procurement", tables=tables | {"public.gone": 0})

        outcome = run("db_drill", NAME)

        assert "   table public.gone: absent, but the manifest says 0 rows\n" in outcome.out

    def test_is_green_with_indexes_that_cannot_be_used(self):
        live = database_name("procurement")
        with connect(live) as cursor:
            # That of the partitioned table is written although it is not valid.
            cursor.execute("CREATE TABLE parted (id int) PARTITION BY LIST (id)")
            cursor.execute("CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1)")
            cursor.execute("INSERT INTO parted VALUES (1), (1)")
            cursor.execute("CREATE INDEX parted_id ON ONLY parted (id)")
            with pytest.raises(psycopg2.errors.UniqueViolation):
                cursor.execute("CREATE UNIQUE INDEX CONCURRENTLY failed ON parted_1 (id)")
            # A check that was not made for all rows is written as such.
            cursor.execute("ALTER TABLE parted_1 ADD CONSTRAINT few CHECK (id > 1) NOT VALID")
            back_up("procurement")
            cursor.execute("DROP TABLE parted")

        outcome = run("db_drill")

        assert "PROCUREMENT: ok (" in outcome.out
        assert (outcome.err, outcome.code) == ("", 0)

    def test_is_green_with_triggers_of_a_session_alone(self):
        with connect(database_name("procurement")) as cursor:
            cursor.execute("CREATE TEMPORARY TABLE mine (id int)")
            cursor.execute(
                "CREATE TRIGGER mine BEFORE UPDATE ON mine FOR EACH ROW "
                "EXECUTE FUNCTION suppress_redundant_updates_trigger()"
            )
            back_up("procurement")

        outcome = run("db_drill")

        assert (outcome.err, outcome.code) == ("", 0)

    def test_warns_of_indexes_that_earlier_backups_counted(self):
        manifest = back_up("procurement")
        objects = manifest.databases["procurement"].objects
        number = objects["indexes"]
        change(manifest, "procurement", objects=objects | {"indexes": number + 1})

        text, told = run("db_drill"), json.loads(run("db_drill", "--format", "json").out)

        warning = f"number of indexes: {number}, but the manifest says {number + 1}. pg_dump leaves"
        assert text.err.startswith(f"PROCUREMENT: warning: {warning}")
        assert (text.out[:15], text.code) == ("PROCUREMENT: ok", 0)
        assert told[0]["differences"] == []
        assert told[0]["warnings"][0].startswith(warning)

    def test_is_red_when_there_is_an_index_more(self):
        manifest = back_up("procurement")
        objects = manifest.databases["procurement"].objects
        number = objects["indexes"]
        change(manifest, "procurement", objects=objects | {"indexes": number - 1})

        outcome = run("db_drill")

        assert f"   number of indexes: {number}, but the manifest says" in outcome.out
        assert outcome.code == 1

    def test_goes_on_when_a_dump_is_damaged(self, folder):
        back_up("default", "procurement")
        (folder / NAME / "default" / "toc.dat").unlink()

        outcome = run("db_drill")

        assert "   default/toc.dat is missing\n" in outcome.out
        assert "PROCUREMENT: ok (" in outcome.out
        assert outcome.code == 1

    def test_is_red_for_a_database_that_could_not_be_dumped(self):
        rewrite(back_up("default"), failed={"ecommerce": "it did not answer"})

        outcome = run("db_drill")

        assert f"ECOMMERCE: The set {NAME} has no ecommerce" in outcome.err
        assert outcome.code == 1

    def test_takes_the_newest_set(self):
        manifest = back_up("default")
        copy(manifest, NOW + timedelta(days=1))

        [found] = json.loads(run("db_drill", "--format", "json").out)

        assert found["set_name"] == "2026-06-02T03-00-00Z"
        assert (found["alias"], found["error"], found["differences"]) == ("default", "", [])
        assert found["tables"] == len(manifest.databases["default"].tables)
        assert found["age_seconds"] >= 0

    def test_passes_over_what_is_no_set(self, folder):
        back_up("default")
        (folder / "2026-12-30T00-00-00Z").write_text("")

        outcome = run("db_drill")

        assert "DEFAULT: ok (" in outcome.out
        assert outcome.err == (
            f"{folder}/2026-12-30T00-00-00Z is no folder, or one that cannot be entered: it is not "
            "a set. Move it away.\n"
        )
        assert outcome.code == 0

    def test_takes_no_empty_name(self):
        back_up("default")

        assert "'' is not the name of a set" in run("db_drill", "").err

    def test_removes_what_an_interrupted_one_left(self):
        back_up("default")
        left = f"{database_name('default')}_drill_20200101t000000z"
        with connect("postgres") as cursor:
            cursor.execute(f"CREATE DATABASE {left}")

        outcome = run("db_drill")

        assert outcome.err == f"DEFAULT: dropped {left}, left by an interrupted drill\n"
        assert outcome.code == 0
        assert beside("default") == []

    def test_says_that_there_is_no_set(self, folder):
        outcome = run("db_drill")

        assert outcome.err == (
            f"CommandError: There is no set in {folder}. Make one: python manage.py db_backup.\n"
        )

    def test_is_not_content_with_a_damaged_manifest(self, folder):
        back_up("default")
        (folder / NAME / manifests.MANIFEST).write_text("{}")

        outcome = run("db_drill")

        assert "manifest.json was changed or is damaged" in outcome.err
        assert outcome.code == 1
