"""Each seeded defect is found, only on its database; a new database has none."""

from datetime import timedelta
from functools import partial
from itertools import cycle
from threading import Thread

import psycopg2
import pytest
from django.utils import timezone

from ecommerce.partitions import names_ahead
from marketplace.databases.names import ALL_ALIASES
from marketplace.doctor.diagnosis import diagnose
from marketplace.doctor.findings import Severity
from marketplace.doctor.size_history import record_sizes
from marketplace.registry import ALIASES

from .conftest import LATER
from .defects import findings_of, findings_while, is_only
from .seeded_defects import NARROW, SEEDS, WIDE


class TestSeeded:
    @pytest.mark.parametrize(
        ("code", "severity", "subject", "statements", "alias"),
        [(*seed, alias) for seed, alias in zip(SEEDS, cycle(ALIASES), strict=False)],
        ids=[seed[0] for seed in SEEDS],
    )
    def test_defect_is_found_on_its_database_only(
        self, execute, code, severity, subject, statements, alias
    ):
        assert not any(findings_of(code).values())

        execute(alias, *statements)
        findings = findings_of(code)

        assert is_only(alias, findings)
        assert {finding.severity for finding in findings[alias]} == {severity}
        if subject:
            assert [finding.subject for finding in findings[alias]] == [subject]

    def test_dead_rows_of_a_recent_load_are_only_a_note(self, execute):
        execute("ecommerce", "SELECT pg_stat_reset()", NARROW, "DELETE FROM seeded.narrow")

        findings = findings_of("table-dead-rows", timezone.now())

        assert [finding.severity for finding in findings["ecommerce"]] == [Severity.INFO]

    def test_invalid_index(self, execute):
        execute("classifieds", "CREATE TABLE seeded.narrow AS VALUES (1), (1)")
        with pytest.raises(psycopg2.errors.UniqueViolation):
            execute(
                "classifieds",
                "CREATE UNIQUE INDEX CONCURRENTLY broken ON seeded.narrow (column1)",
            )

        findings = findings_of("index-invalid")

        assert is_only("classifieds", findings)
        assert findings["classifieds"][0].fix == "REINDEX INDEX CONCURRENTLY seeded.broken;"

    def test_unused_index(self, execute):
        execute(
            "procurement",
            "CREATE TABLE seeded.narrow (id int)",
            "CREATE INDEX useless ON seeded.narrow (id)",
        )
        record_sizes("procurement", LATER - timedelta(days=30))

        findings = findings_of("index-unused")

        assert is_only("procurement", findings)
        fixes = {finding.subject: finding.fix for finding in findings["procurement"]}
        assert fixes["seeded.useless"] == "DROP INDEX CONCURRENTLY seeded.useless;"

    def test_missing_partition(self, execute):
        last = names_ahead(LATER.date())[-1]
        execute("ecommerce", f"ALTER TABLE {last} RENAME TO hidden")
        try:
            findings = findings_of("partition-missing")
        finally:
            execute("ecommerce", f"ALTER TABLE hidden RENAME TO {last}")

        assert is_only("ecommerce", findings)
        assert findings["ecommerce"][0].evidence == {"missing": [last]}

    def test_slow_query(self, execute, session):
        def sleep():
            with session("classifieds") as opened, opened.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(1.1)")

        sleepers = [Thread(target=sleep) for _ in range(3)]
        for sleeper in sleepers:
            sleeper.start()
        for sleeper in sleepers:
            sleeper.join()

        findings = findings_of("query-slow")
        with session("default", name="postgres") as opened:
            opened.cursor().execute("SELECT pg_stat_statements_reset()")

        assert is_only("classifieds", findings)
        assert findings["classifieds"][0].evidence["calls"] == 3

    def test_cache_hit_rate(self, execute):
        scan = "PERFORM FROM seeded.wide WHERE text = ''"
        execute(
            "procurement",
            "SELECT pg_stat_reset()",
            WIDE,
            # The table is larger than the shared buffers.
            f"DO $$ BEGIN FOR i IN 1..160 LOOP {scan}; END LOOP; END $$",
        )

        findings = findings_of("cache-hit-rate")
        execute("procurement", "SELECT pg_stat_reset()")

        assert is_only("procurement", findings)
        assert findings["procurement"][0].evidence["rate"] < 0.8

    def test_replication_slot(self, execute):
        findings = findings_while(
            "slot-inactive",
            partial(execute, "procurement"),
            "SELECT pg_create_logical_replication_slot('forgotten', 'pgoutput')",
            "SELECT pg_drop_replication_slot('forgotten')",
        )

        assert is_only("procurement", findings)
        assert findings["procurement"][0].subject == "forgotten"

    def test_connection_limit_of_the_database(self, execute, session):
        execute("ecommerce", "ALTER DATABASE doctor_ecommerce CONNECTION LIMIT 2")
        try:
            with session("ecommerce"), session("ecommerce"):
                findings = findings_of("connections-database")
        finally:
            execute("ecommerce", "ALTER DATABASE doctor_ecommerce CONNECTION LIMIT 72")

        assert is_only("ecommerce", findings)
        assert findings["ecommerce"][0].severity is Severity.CRITICAL

    def test_dangerous_setting_of_a_database(self, execute):
        findings = findings_while(
            "setting-synchronous-commit",
            partial(execute, "classifieds"),
            "ALTER DATABASE doctor_classifieds SET synchronous_commit = off",
            "ALTER DATABASE doctor_classifieds RESET synchronous_commit",
        )

        assert is_only("classifieds", findings)
        fix = 'ALTER DATABASE "doctor_classifieds" RESET synchronous_commit;'
        assert findings["classifieds"][0].fix == fix


class TestRoles:
    @pytest.mark.parametrize(
        ("statement", "undo", "what"),
        [
            (
                "GRANT EXECUTE ON FUNCTION lo_create TO PUBLIC",
                "REVOKE EXECUTE ON FUNCTION lo_create FROM PUBLIC",
                "PUBLIC should not have EXECUTE on system function lo_create.",
            ),
            (
                "ALTER ROLE doctor_ecommerce_analyst CONNECTION LIMIT -1",
                "ALTER ROLE doctor_ecommerce_analyst CONNECTION LIMIT 10",
                "doctor_ecommerce_analyst may have more than 10 connections at once.",
            ),
        ],
    )
    def test_missing_limits(self, execute, statement, undo, what):
        findings = findings_while("role-unbounded", partial(execute, "ecommerce"), statement, undo)

        assert is_only("ecommerce", findings)
        assert findings["ecommerce"][0].what == what

    def test_finding_about_the_server_is_reported_once(self, execute):
        findings = findings_while(
            "role-unbounded",
            partial(execute, "ecommerce"),
            "GRANT TEMPORARY ON DATABASE postgres TO PUBLIC",
            "REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC",
        )

        assert is_only("ecommerce", findings)


class TestFresh:
    def test_no_findings(self):
        diagnoses = diagnose(ALL_ALIASES, timezone.now())

        assert {diagnosis.alias: diagnosis.findings for diagnosis in diagnoses} == {
            alias: [] for alias in ALL_ALIASES
        }
        assert not any(diagnosis.skipped for diagnosis in diagnoses)
        insufficient_data = {
            diagnosis.alias: " ".join(diagnosis.insufficient_data) for diagnosis in diagnoses
        }
        assert all(
            "unused indexes: insufficient data" in insufficient_data[alias] for alias in ALIASES
        )
