"""Each defect is found, on the database that has it and on no other."""

import time
from contextlib import closing
from datetime import timedelta
from functools import partial
from itertools import cycle
from threading import Thread

import psycopg2
import pytest
from django.db import connections
from django.utils import timezone

from ecommerce.partitions import names_ahead
from marketplace.databases.names import ALL_ALIASES
from marketplace.doctor.diagnosis import diagnose
from marketplace.doctor.findings import Severity
from marketplace.doctor.schema import aged
from marketplace.doctor.size_history import record_sizes
from marketplace.registry import ALIASES

from .conftest import LATER

#: 20,000 rows of about 500 bytes.
_WIDE = (
    "CREATE TABLE seeded.wide AS SELECT id, repeat('x', 460) || id AS text "
    "FROM generate_series(1, 20000) AS id"
)
_NARROW = (
    "CREATE TABLE seeded.narrow AS SELECT id, id AS other FROM generate_series(1, 20000) AS id"
)

#: Code, its severity, what is at fault, and the statements that make it so.
_SEEDS = [
    (
        "index-duplicate",
        Severity.WARNING,
        "seeded.again",
        [
            "CREATE TABLE seeded.narrow (id int)",
            "CREATE INDEX first ON seeded.narrow (id)",
            "CREATE INDEX again ON seeded.narrow (id)",
        ],
    ),
    (
        "index-redundant",
        Severity.INFO,
        "seeded.beginning",
        [
            "CREATE TABLE seeded.narrow (id int, other int)",
            "CREATE INDEX beginning ON seeded.narrow (id)",
            "CREATE INDEX whole ON seeded.narrow (id, other)",
        ],
    ),
    (
        "index-missing-foreign-key",
        Severity.WARNING,
        "seeded.narrow",
        [
            "CREATE TABLE seeded.referenced (id bigint PRIMARY KEY)",
            "INSERT INTO seeded.referenced SELECT generate_series(1, 20000)",
            _NARROW,
            "ALTER TABLE seeded.narrow ADD FOREIGN KEY (other) REFERENCES seeded.referenced",
            "ANALYZE seeded.narrow",
        ],
    ),
    (
        "table-sequential-scans",
        Severity.WARNING,
        "seeded.wide",
        [
            _WIDE,
            "DO $$ BEGIN FOR i IN 1..101 LOOP PERFORM FROM seeded.wide WHERE text = ''; "
            "END LOOP; END $$",
        ],
    ),
    (
        "table-bloat",
        Severity.WARNING,
        "seeded.wide",
        [
            _WIDE,
            "INSERT INTO seeded.wide SELECT id + 20000, text FROM seeded.wide",
            "DELETE FROM seeded.wide WHERE id % 10 <> 0",
            "VACUUM (ANALYZE) seeded.wide",
        ],
    ),
    (
        "index-bloat",
        Severity.WARNING,
        "seeded.wide_text",
        [
            _WIDE,
            "INSERT INTO seeded.wide SELECT id + 20000, text || 'y' FROM seeded.wide",
            "CREATE INDEX wide_text ON seeded.wide (text)",
            "DELETE FROM seeded.wide WHERE id % 10 <> 0",
            "VACUUM (ANALYZE) seeded.wide",
        ],
    ),
    (
        "table-dead-rows",
        Severity.WARNING,
        "seeded.narrow",
        [_NARROW, "ANALYZE seeded.narrow", "UPDATE seeded.narrow SET other = 0"],
    ),
    (
        "table-vacuum-late",
        Severity.WARNING,
        "seeded.narrow",
        [_NARROW, "VACUUM seeded.narrow", "INSERT INTO seeded.narrow SELECT * FROM seeded.narrow"],
    ),
    ("table-never-analyzed", Severity.WARNING, "seeded.narrow", [_NARROW]),
    (
        "table-analyze-late",
        Severity.WARNING,
        "seeded.narrow",
        [_NARROW, "ANALYZE seeded.narrow", "UPDATE seeded.narrow SET other = 0"],
    ),
    (
        "table-autovacuum-off",
        Severity.WARNING,
        "seeded.narrow",
        ["CREATE TABLE seeded.narrow (id int) WITH (autovacuum_enabled = off)"],
    ),
    (
        "table-ids-old",
        Severity.WARNING,
        "seeded.narrow",
        [
            "CREATE TABLE seeded.narrow (id int) WITH (autovacuum_freeze_max_age = 100000)",
            # Each block with a handler is a transaction within the transaction, with an id.
            "DO $$ BEGIN FOR i IN 1..151000 LOOP BEGIN "
            "INSERT INTO seeded.narrow VALUES (i); "
            "EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$",
        ],
    ),
    (
        "sequence-exhausted",
        Severity.CRITICAL,
        "seeded.narrow_id_seq",
        [
            # The sequence has room left: it is the column that has not.
            "CREATE TABLE seeded.narrow (id serial)",
            "ALTER SEQUENCE seeded.narrow_id_seq AS bigint",
            "SELECT setval('seeded.narrow_id_seq', 2000000000)",
        ],
    ),
    (
        "table-unlogged",
        Severity.WARNING,
        "seeded.narrow",
        ["CREATE UNLOGGED TABLE seeded.narrow (id int)"],
    ),
    (
        "trigger-disabled",
        Severity.WARNING,
        "seeded.narrow.watch",
        [
            "CREATE TABLE seeded.narrow (id int)",
            "CREATE TRIGGER watch BEFORE UPDATE ON seeded.narrow "
            "FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "ALTER TABLE seeded.narrow DISABLE TRIGGER watch",
        ],
    ),
    (
        "constraint-not-valid",
        Severity.WARNING,
        "seeded.narrow.positive",
        [
            "CREATE TABLE seeded.narrow (id int)",
            "ALTER TABLE seeded.narrow ADD CONSTRAINT positive CHECK (id > 0) NOT VALID",
        ],
    ),
    (
        "extension-outdated",
        Severity.INFO,
        "intarray",
        ["CREATE EXTENSION intarray SCHEMA seeded VERSION '1.2'"],
    ),
]


def found(code, now=LATER):
    """Return what is found of a code, by alias."""
    diagnoses = diagnose(ALIASES, now, [code])
    return {each.alias: each.findings for each in diagnoses}


def found_while(code, execute, statement, undo):
    """Return the findings of a code by database, between a statement and the one that undoes it."""
    execute(statement)
    try:
        return found(code)
    finally:
        execute(undo)


def is_alone(alias, findings):
    """Return whether the database has findings, and no other has."""
    return [each for each in findings if findings[each]] == [alias]


class TestSeeded:
    @pytest.mark.parametrize(
        ("code", "severity", "subject", "statements", "alias"),
        [(*seed, alias) for seed, alias in zip(_SEEDS, cycle(ALIASES), strict=False)],
        ids=[seed[0] for seed in _SEEDS],
    )
    def test_is_found_on_its_database_only(
        self, execute, code, severity, subject, statements, alias
    ):
        assert not any(found(code).values())

        execute(alias, *statements)
        findings = found(code)

        assert is_alone(alias, findings)
        assert {finding.severity for finding in findings[alias]} == {severity}
        if subject:
            assert [finding.subject for finding in findings[alias]] == [subject]

    def test_dead_rows_of_a_load_are_no_warning_yet(self, execute):
        execute("ecommerce", "SELECT pg_stat_reset()", _NARROW, "DELETE FROM seeded.narrow")

        findings = found("table-dead-rows", timezone.now())

        assert [finding.severity for finding in findings["ecommerce"]] == [Severity.INFO]

    def test_invalid_index(self, execute):
        execute("classifieds", "CREATE TABLE seeded.narrow AS VALUES (1), (1)")
        with pytest.raises(psycopg2.errors.UniqueViolation):
            execute(
                "classifieds",
                "CREATE UNIQUE INDEX CONCURRENTLY broken ON seeded.narrow (column1)",
            )

        findings = found("index-invalid")

        assert is_alone("classifieds", findings)
        assert findings["classifieds"][0].fix == "REINDEX INDEX CONCURRENTLY seeded.broken;"

    def test_unused_index(self, execute):
        execute(
            "procurement",
            "CREATE TABLE seeded.narrow (id int)",
            "CREATE INDEX useless ON seeded.narrow (id)",
        )
        record_sizes("procurement", LATER - timedelta(days=30))

        findings = found("index-unused")

        assert is_alone("procurement", findings)
        fixes = {finding.subject: finding.fix for finding in findings["procurement"]}
        assert fixes["seeded.useless"] == "DROP INDEX CONCURRENTLY seeded.useless;"

    def test_missing_partition(self, execute):
        last = names_ahead(LATER.date())[-1]
        execute("ecommerce", f"ALTER TABLE {last} RENAME TO hidden")
        try:
            findings = found("partition-missing")
        finally:
            execute("ecommerce", f"ALTER TABLE hidden RENAME TO {last}")

        assert is_alone("ecommerce", findings)
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

        findings = found("query-slow")
        with session("default", name="postgres") as opened:
            opened.cursor().execute("SELECT pg_stat_statements_reset()")

        assert is_alone("classifieds", findings)
        assert findings["classifieds"][0].evidence["calls"] == 3

    def test_cache_hit_rate(self, execute):
        scan = "PERFORM FROM seeded.wide WHERE text = ''"
        execute(
            "procurement",
            "SELECT pg_stat_reset()",
            _WIDE,
            # Larger than all of the server's shared buffers.
            f"DO $$ BEGIN FOR i IN 1..160 LOOP {scan}; END LOOP; END $$",
        )

        findings = found("cache-hit-rate")
        execute("procurement", "SELECT pg_stat_reset()")

        assert is_alone("procurement", findings)
        assert findings["procurement"][0].evidence["rate"] < 0.8

    def test_replication_slot(self, execute):
        findings = found_while(
            "slot-inactive",
            partial(execute, "procurement"),
            "SELECT pg_create_logical_replication_slot('forgotten', 'pgoutput')",
            "SELECT pg_drop_replication_slot('forgotten')",
        )

        assert is_alone("procurement", findings)
        assert findings["procurement"][0].subject == "forgotten"

    def test_limit_of_connections(self, execute, session):
        execute("ecommerce", "ALTER DATABASE doctor_ecommerce CONNECTION LIMIT 2")
        try:
            with session("ecommerce"), session("ecommerce"):
                findings = found("connections-database")
        finally:
            execute("ecommerce", "ALTER DATABASE doctor_ecommerce CONNECTION LIMIT 72")

        assert is_alone("ecommerce", findings)
        assert findings["ecommerce"][0].severity is Severity.CRITICAL

    def test_setting_of_a_database(self, execute):
        findings = found_while(
            "setting-synchronous-commit",
            partial(execute, "classifieds"),
            "ALTER DATABASE doctor_classifieds SET synchronous_commit = off",
            "ALTER DATABASE doctor_classifieds RESET synchronous_commit",
        )

        assert is_alone("classifieds", findings)
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
    def test_that_could_starve_the_server(self, execute, statement, undo, what):
        findings = found_while("role-unbounded", partial(execute, "ecommerce"), statement, undo)

        assert is_alone("ecommerce", findings)
        assert findings["ecommerce"][0].what == what

    def test_what_is_the_servers_is_told_once(self, execute):
        findings = found_while(
            "role-unbounded",
            partial(execute, "ecommerce"),
            "GRANT TEMPORARY ON DATABASE postgres TO PUBLIC",
            "REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC",
        )

        assert is_alone("ecommerce", findings)


class TestSessions:
    def test_locks_of_one_session(self, execute, session):
        with session("classifieds") as opened:
            opened.cursor().execute(
                "SELECT count(pg_advisory_lock(id)) FROM generate_series(1, 8000) AS id"
            )
            findings = found("locks-many")

        assert is_alone("classifieds", findings)
        assert "holds 8,0" in findings["classifieds"][0].what

    def test_analyst_without_a_timeout(self, execute, socket):
        role, query = "doctor_classifieds_analyst", "SELECT pg_sleep(60)"
        execute("classifieds", f"ALTER ROLE {role} LOGIN")
        with closing(psycopg2.connect(host=socket, dbname="doctor_classifieds", user=role)) as own:
            own.cursor().execute("SET statement_timeout = 0")
            sleeper = Thread(target=_until_canceled, args=(own, query))
            sleeper.start()
            pid = own.info.backend_pid
            _wait_for(execute, "classifieds", f"pid = {pid} AND query = '{query}'")

            findings = found("analyst-statement-long")
            execute("classifieds", f"SELECT pg_cancel_backend({pid})")
            sleeper.join()

        execute("classifieds", f"ALTER ROLE {role} NOLOGIN")
        assert is_alone("classifieds", findings)
        assert "ANALYST_STATEMENT_TIMEOUT is 5 minutes" in findings["classifieds"][0].what

    def test_long_transaction(self, execute, session):
        query = "SELECT pg_sleep(60)"
        with session("procurement") as opened:
            sleeper = Thread(target=_until_canceled, args=(opened, query))
            sleeper.start()
            pid = opened.info.backend_pid
            _wait_for(execute, "procurement", f"pid = {pid} AND query = '{query}'")

            findings = found("transaction-long")
            execute("procurement", f"SELECT pg_cancel_backend({pid})")
            sleeper.join()

        assert is_alone("procurement", findings)
        assert query in findings["procurement"][0].what

    def test_idle_transaction(self, execute, session):
        with session("ecommerce") as opened, opened.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT 1")

            findings = found("transaction-idle")
            subject = f"session {opened.info.backend_pid}"

        assert is_alone("ecommerce", findings)
        assert findings["ecommerce"][0].subject == subject

    def test_blocked_query(self, execute, session):
        execute("classifieds", "CREATE TABLE seeded.narrow (id int)")
        with session("classifieds") as holder, session("classifieds") as waiter:
            holder.cursor().execute("BEGIN")
            holder.cursor().execute("LOCK TABLE seeded.narrow")
            thread = Thread(target=waiter.cursor().execute, args=("TABLE seeded.narrow",))
            thread.start()
            pid, blocker = waiter.info.backend_pid, holder.info.backend_pid
            _wait_for(execute, "classifieds", f"pid = {pid} AND wait_event_type = 'Lock'")

            findings = found("query-blocked")
            holder.cursor().execute("ROLLBACK")
            thread.join()

        assert is_alone("classifieds", findings)
        assert findings["classifieds"][0].evidence["blockers"] == [blocker]

    def test_prepared_transaction(self, execute):
        execute("ecommerce", "BEGIN", "SELECT pg_current_xact_id()", "PREPARE TRANSACTION 'left'")
        try:
            findings = found("transaction-prepared")
        finally:
            execute("ecommerce", "ROLLBACK PREPARED 'left'")

        assert is_alone("ecommerce", findings)
        assert findings["ecommerce"][0].subject == "left"


class TestServer:
    def test_dangerous_setting_is_told_once(self, execute):
        execute("ecommerce", "ALTER SYSTEM SET full_page_writes = off", "SELECT pg_reload_conf()")
        _wait_for_setting(execute, "full_page_writes", "off")
        try:
            findings = found("setting-full-page-writes")
        finally:
            execute("ecommerce", "ALTER SYSTEM RESET full_page_writes", "SELECT pg_reload_conf()")
            _wait_for_setting(execute, "full_page_writes", "on")

        assert is_alone(ALIASES[0], findings)
        assert findings[ALIASES[0]][0].is_of_server
        assert findings[ALIASES[0]][0].severity is Severity.CRITICAL

    def test_archive_that_fails(self, execute):
        assert not any(found("archive-failing").values())
        execute(
            "ecommerce", "ALTER SYSTEM SET archive_command = 'false'", "SELECT pg_reload_conf()"
        )
        _wait_for_setting(execute, "archive_command", "false")
        execute("ecommerce", "CREATE TABLE seeded.narrow (id int)", "SELECT pg_switch_wal()")
        _wait_until(execute, "SELECT FROM pg_stat_archiver WHERE failed_count > 0")
        try:
            findings = found("archive-failing")
        finally:
            execute(
                "ecommerce", "ALTER SYSTEM SET archive_command = 'true'", "SELECT pg_reload_conf()"
            )
            _wait_for_setting(execute, "archive_command", "true")
            execute("ecommerce", "SELECT pg_stat_reset_shared('archiver')")

        assert is_alone(ALIASES[0], findings)

    def test_disk_that_is_full(self, execute, settings):
        settings.DISK_CAPACITY = {"procurement": 1024}

        findings = found("disk-full")

        assert is_alone("procurement", findings)
        assert findings["procurement"][0].evidence["free"] == 0

    def test_disk_that_fills(self, execute, settings):
        now = timezone.now()
        for days in (2, 1, 0):
            # Each day a little more than what is left for a month.
            execute(
                "procurement",
                "CREATE TABLE IF NOT EXISTS seeded.wide (text text)",
                "INSERT INTO seeded.wide SELECT repeat('x', 900) FROM generate_series(1, 9000)",
            )
            used = record_sizes("procurement", now - timedelta(days=days)).used
        settings.DISK_CAPACITY = {"procurement": used + 90_000_000}

        findings = diagnose(["procurement"], now, ["disk-full"])[0]

        assert 3 < findings.sizes.days_to_full < 15
        assert findings.sizes.database.per_day > 5_000_000

    def test_unreachable_database_stops_no_other(self, monkeypatch):
        monkeypatch.setitem(connections["classifieds"].settings_dict, "NAME", "absent")

        findings = found("database-unreachable", timezone.now())

        assert is_alone("classifieds", findings)
        assert findings["classifieds"][0].severity is Severity.CRITICAL
        assert "does not exist" in findings["classifieds"][0].what

    def test_ids_of_transactions(self):
        limits = {"transaction_limit": 2 * 10**8, "multixact_limit": 4 * 10**8}
        ages = {"transaction_age": 5 * 10**8, "multixact_age": 15 * 10**8}

        findings = list(aged({"name": "old_db", **ages, **limits}, is_of_server=False))

        assert [(finding.code, finding.severity) for finding in findings] == [
            ("transaction-ids-exhausted", Severity.WARNING),
            ("multixact-ids-exhausted", Severity.CRITICAL),
        ]


class TestFresh:
    def test_has_none(self):
        diagnoses = diagnose(ALL_ALIASES, timezone.now())

        assert {each.alias: each.findings for each in diagnoses} == {
            alias: [] for alias in ALL_ALIASES
        }
        assert not any(each.skipped for each in diagnoses)
        insufficient_data = {each.alias: " ".join(each.insufficient_data) for each in diagnoses}
        assert all(
            "unused indexes: not enough evidence" in insufficient_data[alias] for alias in ALIASES
        )


def _until_canceled(opened, query):
    with pytest.raises(psycopg2.errors.QueryCanceled):
        opened.cursor().execute(query)


def _wait_for(execute, alias, condition):
    _wait_until(execute, f"SELECT FROM pg_stat_activity WHERE {condition}", alias)


def _wait_for_setting(execute, name, value):
    _wait_until(execute, f"SELECT WHERE current_setting('{name}') = '{value}'")


def _wait_until(execute, query, alias="ecommerce"):
    deadline = time.monotonic() + 30
    raising = f"DO $$ BEGIN IF NOT EXISTS ({query}) THEN RAISE division_by_zero; END IF; END $$"
    while True:
        try:
            return execute(alias, raising)
        except psycopg2.errors.DivisionByZero:
            assert time.monotonic() < deadline
            time.sleep(0.05)
