"""The commands db_doctor, db_slow and db_vacuum."""

import json
import re

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from marketplace.databases.names import ALL_ALIASES
from marketplace.doctor import vacuum
from marketplace.doctor.diagnosis import CHECKS, CODES
from marketplace.doctor.statements import Statement
from tests.commands import run
from tests.machine import Machine

from .conftest import DATA_DIR

_NARROW = (
    "CREATE TABLE seeded.narrow AS SELECT id, id AS other FROM generate_series(1, 20000) AS id"
)


def run_doctor(*arguments):
    """Run db_doctor with JSON output; return alias → diagnosis, and the exit code."""
    outcome = run("db_doctor", "--format", "json", *arguments)
    return {diagnosis["alias"]: diagnosis for diagnosis in json.loads(outcome.out)}, outcome.code


class TestDoctor:
    def test_healthy(self):
        outcome = run("db_doctor")

        assert (outcome.code, outcome.err) == (0, "")
        blocks = outcome.out.split("\n\n")
        assert [block.splitlines()[0] for block in blocks[:-1]] == [
            f"{alias.upper()} (doctor_{alias}): healthy" for alias in ALL_ALIASES
        ]
        assert blocks[-1].strip() == f"Completed {len(CHECKS)} checks (--verbosity 2 lists them)."

    def test_verbose_output_lists_the_checks(self):
        outcome = run("db_doctor", "--database", "procurement", "--verbosity", "2")

        titles = ", ".join(check.title for check in CHECKS)
        assert outcome.out.endswith(f"\n\nCompleted checks: {titles}.\n")

    def test_most_severe_finding_comes_first(self, execute):
        execute(
            "ecommerce",
            "CREATE UNLOGGED TABLE seeded.narrow (id smallserial)",
            "SELECT setval('seeded.narrow_id_seq', 32000)",
        )

        outcome = run("db_doctor", "--database", "ecommerce")

        lines = outcome.out.splitlines()
        assert lines[0] == "ECOMMERCE (doctor_ecommerce): 1 critical finding, 1 warning"
        assert lines[1] == "   CRITICAL sequence-exhausted: seeded.narrow_id_seq"
        assert lines[2] == "      98% of the sequence's numbers are used: 32,000 of 32,767."
        assert "   WARNING table-unlogged: seeded.narrow" in lines
        assert "      Run: ALTER TABLE seeded.narrow SET LOGGED;" in lines
        assert outcome.err == "CommandError: Found 1 critical finding, 1 warning.\n"
        assert outcome.code == 2

    @pytest.mark.parametrize(
        ("statement", "code"),
        [
            ("CREATE INDEX beginning ON seeded.narrow (id)", 0),
            ("ALTER TABLE seeded.narrow SET UNLOGGED", 1),
            ("ALTER TABLE seeded.narrow DISABLE TRIGGER ALL", 2),
        ],
    )
    def test_exit_code_depends_on_the_severity(self, execute, statement, code):
        execute(
            "classifieds",
            "CREATE TABLE seeded.narrow (id int, other int, PRIMARY KEY (id, other))",
            "ALTER TABLE seeded.narrow ADD FOREIGN KEY (other, id) REFERENCES seeded.narrow",
            statement,
        )

        diagnoses, exit_code = run_doctor("--database", "classifieds")

        assert len(diagnoses["classifieds"]["findings"]) >= 1
        assert exit_code == code

    def test_json(self, execute):
        execute("procurement", "CREATE UNLOGGED TABLE seeded.narrow (id int)")

        diagnoses, _ = run_doctor()

        assert list(diagnoses) == list(ALL_ALIASES)
        (finding,) = diagnoses["procurement"]["findings"]
        assert finding["code"] == "table-unlogged"
        assert finding["severity"] == diagnoses["procurement"]["severity"] == "warning"
        assert finding["database"] == "procurement"
        assert diagnoses["ecommerce"]["severity"] is None
        assert diagnoses["ecommerce"]["sizes"]["database"]["size"] > 0
        assert diagnoses["ecommerce"]["since"]

    def test_only(self, execute):
        execute("procurement", "CREATE UNLOGGED TABLE seeded.narrow (id smallserial)")
        execute("procurement", "SELECT setval('seeded.narrow_id_seq', 32000)")

        diagnoses, _ = run_doctor("--only", "table-unlogged", "--database", "procurement")

        (diagnosis,) = diagnoses.values()
        assert [finding["code"] for finding in diagnosis["findings"]] == ["table-unlogged"]
        assert diagnosis["examined"] == ["definitions of tables, triggers and constraints"]

    def test_help_lists_the_codes(self, capsys):
        with pytest.raises(SystemExit):
            call_command("db_doctor", "--help")

        # The help wraps lines at hyphens.
        text = "".join(capsys.readouterr().out.split())
        assert all(code in text for code in CODES)

    def test_unknown_code_is_refused(self):
        with pytest.raises(CommandError, match="index-unsued"):
            call_command("db_doctor", "--only", "index-unsued")


def test_invalid_disk_capacity():
    outcome = Machine(DATA_DIR / "machine")("db_doctor", DISK_CAPACITY="ecommerce=lots")

    assert outcome.returncode == 1
    assert "DISK_CAPACITY contains ecommerce=lots. Write 500GB for all servers" in outcome.stderr


class TestSlow:
    def test_statements_of_each_database(self, execute):
        execute("ecommerce", "SELECT count(*) AS unmistakable FROM generate_series(1, 99)")

        outcome = run("db_slow", "--format", "json", "--search", "unmistakable", "--limit", "5")

        statements = {row["alias"]: row["statements"] for row in json.loads(outcome.out)}
        assert list(statements) == list(ALL_ALIASES)
        (statement,) = statements.pop("ecommerce")
        assert statement["query"] == "SELECT count(*) AS unmistakable FROM generate_series($1, $2)"
        assert (statement["calls"], statement["rows"]) == (1, 1)
        assert 0 < statement["share"] < 1
        assert not any(statements.values())

    def test_one_line_per_statement(self, execute):
        execute("ecommerce", "SELECT 1, 2, 3, 4,\n\n   5 AS several_lines")

        outcome = run("db_slow", "--database", "ecommerce", "--search", "several_lines", "--all")

        first, titles, line = outcome.out.splitlines()
        assert re.match(r"ECOMMERCE: .* since \d{4}-\d\d-\d\d \d\d:\d\d[+-]\d\d:\d\d$", first)
        assert titles.split() == ["share", "total", "mean", "calls", "rows", "cached", "statement"]
        assert line.endswith("  SELECT $1, $2, $3, $4, $5 AS several_lines")

    def test_dumps_and_catalog_queries_are_omitted(self, execute):
        ours = "SELECT max(of_table) FROM generate_series(1, 7) AS of_table"
        execute("ecommerce", "SELECT count(*) AS of_catalog FROM pg_class", ours)

        outcome = run("db_slow", "--database", "ecommerce", "--limit", "999")
        all_of_them = run("db_slow", "--database", "ecommerce", "--limit", "999", "--all")

        assert "of_table" in outcome.out
        assert "of_catalog" not in outcome.out
        assert "of_catalog" in all_of_them.out
        last = outcome.out.splitlines()[-1]
        assert re.match(r"   Omitted: \d+ statements? of pg_dump .*--all includes them\)$", last)
        assert "Omitted" not in all_of_them.out

    @pytest.mark.parametrize(
        ("query", "is_from_tools"),
        [
            ("COPY public.ecommerce_offers (id, price) TO stdout", True),
            ("COPY ecommerce_offers FROM STDIN", False),
            ("SELECT c.oid FROM pg_catalog.pg_class c LEFT JOIN pg_depend ON $1", True),
            ("SELECT a FROM unnest($1) AS b JOIN pg_catalog.pg_attribute a ON a.oid = b", True),
            ("SELECT x FROM (SELECT oid AS x FROM pg_class) AS y", True),
            ("WITH kept AS ( SELECT oid FROM pg_class ) SELECT oid FROM kept", True),
            ("WITH kept AS (SELECT id FROM ecommerce_offers) SELECT id FROM kept", False),
            ("WITH new AS (UPDATE ecommerce_offers SET id = $1) SELECT oid FROM pg_class", False),
            ("SELECT x FROM pg_class JOIN ecommerce_offers ON $1", False),
            ("SELECT x FROM (SELECT id AS x FROM ecommerce_offers) AS y", False),
            ("INSERT INTO ecommerce_sizes SELECT oid FROM pg_class", False),
            ("UPDATE ecommerce_sizes SET bytes = $1 FROM pg_class", False),
            ("SELECT * FROM unnest($1)", False),
            ("SELECT $1", False),
        ],
    )
    def test_statements_of_tools(self, query, is_from_tools):
        assert Statement(query, 1, 1.0, 1.0, 1.0, 1, None, 0.1).is_from_tools == is_from_tools

    def test_order(self, execute):
        for _ in range(3):
            execute("ecommerce", "SELECT 1 AS seen_often")

        outcome = run(
            "db_slow", "--format=json", "--database=ecommerce", "--order=calls", "--limit=200"
        )

        calls = [statement["calls"] for statement in json.loads(outcome.out)[0]["statements"]]
        assert calls == sorted(calls, reverse=True)

    def test_missing_extension(self, session):
        with session("default", name="postgres") as opened:
            opened.cursor().execute("DROP EXTENSION pg_stat_statements")
            try:
                outcome = run("db_slow", "--database", "ecommerce")
                doctor = run("db_doctor", "--database", "ecommerce")
            finally:
                opened.cursor().execute("CREATE EXTENSION pg_stat_statements")

        assert outcome.code == 1
        assert "CREATE EXTENSION pg_stat_statements" in outcome.err
        assert "Skipped: slow queries: " in doctor.out
        assert doctor.code == 0


class TestVacuum:
    def test_second_run_has_nothing_to_do(self, execute):
        execute("ecommerce", _NARROW, "VACUUM ANALYZE seeded.narrow", "DELETE FROM seeded.narrow")
        assert run("db_vacuum", "--database", "ecommerce").code == 0

        outcome = run("db_vacuum", "--database", "ecommerce")

        assert outcome.out == "ECOMMERCE: nothing to do\n"

    def test_output_has_statements_and_reasons(self, execute):
        run("db_vacuum", "--database", "classifieds")
        for statement in (_NARROW, "VACUUM ANALYZE seeded.narrow", "DELETE FROM seeded.narrow"):
            # In separate sessions, so that the statistics are updated in this order.
            execute("classifieds", statement)

        dry = run("db_vacuum", "--database", "classifieds", "--dry-run")
        outcome = run("db_vacuum", "--database", "classifieds")

        reason = "VACUUM (ANALYZE) seeded.narrow: 20,000 dead rows (limit 4,050)"
        assert dry.out == f"CLASSIFIEDS: Would vacuum or analyze 1 table\n   {reason}\n"
        assert f"   {reason}" in outcome.out
        assert outcome.out.endswith("CLASSIFIEDS: vacuumed or analyzed 1 table\n")
        with connections["classifieds"].cursor() as cursor:
            cursor.execute("SELECT pg_stat_get_dead_tuples('seeded.narrow'::regclass)")
            assert cursor.fetchone() == (0,)

    def test_locked_table_does_not_affect_others(self, execute, session, monkeypatch):
        monkeypatch.setattr(vacuum, "LOCK_TIMEOUT", 1)
        execute("procurement", _NARROW, "CREATE TABLE seeded.other AS TABLE seeded.narrow")
        with session("procurement") as holder:
            holder.cursor().execute("BEGIN")
            holder.cursor().execute("LOCK TABLE seeded.narrow")

            outcome = run("db_vacuum", "--database", "procurement", "--all")

        assert outcome.code == 1
        assert "not done: canceling statement due to lock timeout" in outcome.out
        assert "VACUUM (ANALYZE) seeded.other: 20,000 rows added (limit 1,000) ... done" in (
            outcome.out
        )
        assert "1 failed" in outcome.out

    def test_partitioned_table(self, execute):
        execute(
            "ecommerce",
            "CREATE TABLE seeded.whole (id int) PARTITION BY LIST (id)",
            "CREATE TABLE seeded.part PARTITION OF seeded.whole FOR VALUES IN (1)",
            "INSERT INTO seeded.whole VALUES (1)",
        )

        outcome = run("db_vacuum", "--database", "ecommerce", "--dry-run")

        assert "seeded.whole: never analyzed as a whole" in outcome.out

    def test_progress(self, execute, session):
        execute("ecommerce", _NARROW)
        reports = []
        with session("ecommerce") as holder, holder.cursor() as cursor:
            # A freezing vacuum waits for the page on which a cursor is positioned.
            cursor.execute("BEGIN")
            cursor.execute("DECLARE held CURSOR FOR TABLE seeded.narrow")
            cursor.execute("FETCH held")
            task = vacuum.VacuumTask("seeded", "narrow", "FREEZE, ANALYZE", "all tables")

            def progress(text):
                reports.append(text)
                cursor.execute("ROLLBACK")

            result = vacuum.run_task("ecommerce", task, progress)

        assert result.error == ""
        assert reports[0].startswith("seeded.narrow: scanning heap")
