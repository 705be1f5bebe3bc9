"""Indexes that must not be suggested for dropping, read-only checks, missing privileges."""

import json
import shutil
from datetime import timedelta

import pytest
from django.db import InternalError, connections
from django.utils import timezone

from marketplace.databases.names import ALL_ALIASES
from marketplace.doctor.diagnosis import diagnose
from marketplace.doctor.findings import Severity
from marketplace.doctor.session import reading
from marketplace.doctor.size_history import record_sizes
from marketplace.postgresql import embedded
from tests.commands import run

from .conftest import DATA_DIR, LATER

#: Indexes of each kind that must be kept, and indexes that are not needed.
_CONSTRAINED = (
    "CREATE EXTENSION btree_gist SCHEMA seeded",
    "CREATE TABLE seeded.parent (id int PRIMARY KEY, code int UNIQUE, span int4range, "
    "EXCLUDE USING gist (span WITH &&), other int, twin int)",
    "CREATE UNIQUE INDEX parent_other ON seeded.parent (other)",
    "CREATE INDEX parent_again ON seeded.parent (id)",
    "CREATE INDEX parent_free ON seeded.parent (twin)",
    "CREATE TABLE seeded.child (id int REFERENCES seeded.parent (id), part int NOT NULL, "
    "PRIMARY KEY (id, part)) PARTITION BY LIST (part)",
    "CREATE TABLE seeded.child_1 PARTITION OF seeded.child FOR VALUES IN (1)",
    "CREATE INDEX child_part ON seeded.child (part)",
    "CREATE TABLE seeded.replicated (id int NOT NULL, other int)",
    "CREATE UNIQUE INDEX replicated_id ON seeded.replicated (id)",
    "ALTER TABLE seeded.replicated REPLICA IDENTITY USING INDEX replicated_id",
    "CREATE INDEX replicated_other ON seeded.replicated (other)",
    "ALTER TABLE seeded.replicated CLUSTER ON replicated_other",
)

_BEHIND_CONSTRAINTS = """
WITH RECURSIVE behind AS (
    SELECT conindid AS oid FROM pg_constraint WHERE conindid <> 0
    UNION SELECT indexrelid FROM pg_index WHERE indisunique
    UNION SELECT inhrelid FROM pg_inherits, behind WHERE inhparent = behind.oid
)
SELECT relname FROM pg_class JOIN behind USING (oid)
"""


class TestIndexesBehindConstraints:
    def test_are_never_suggested(self, execute):
        execute("ecommerce", *_CONSTRAINED)
        for alias in ALL_ALIASES:
            record_sizes(alias, LATER - timedelta(days=40))

        diagnoses = diagnose(ALL_ALIASES, LATER)

        for diagnosis in diagnoses:
            with connections[diagnosis.alias].cursor() as cursor:
                cursor.execute(_BEHIND_CONSTRAINTS)
                behind = {name for (name,) in cursor.fetchall()}
            codes = ("index-unused", "index-duplicate", "index-redundant")
            proposed = {
                finding.subject.partition(".")[2]
                for finding in diagnosis.findings
                if finding.code in codes
            }
            assert not proposed & behind
            if diagnosis.alias == "ecommerce":
                free = {"parent_again", "parent_free", "child_part"}
                assert {name for name in proposed if not name.startswith("ecommerce_")} == free

    def test_index_of_a_partition_is_not_suggested(self, execute):
        execute("ecommerce", *_CONSTRAINED)
        record_sizes("ecommerce", LATER - timedelta(days=40))

        (diagnosis,) = diagnose(["ecommerce"], LATER, ["index-unused"])

        fixes = {finding.subject: finding.fix for finding in diagnosis.findings}
        # A partitioned index cannot be dropped concurrently.
        assert fixes["seeded.child_part"] == "DROP INDEX seeded.child_part;"
        assert "seeded.child_1_part_idx" not in fixes

    def test_index_of_a_model_is_dropped_by_a_migration(self):
        record_sizes("ecommerce", LATER - timedelta(days=40))

        (diagnosis,) = diagnose(["ecommerce"], LATER, ["index-unused"])

        fixes = {finding.subject: finding.fix for finding in diagnosis.findings}
        fix = fixes["public.ecommerce_products_title"]
        assert fix.startswith("python manage.py makemigrations ecommerce ")


class TestEvidence:
    def test_young_statistics(self, execute):
        execute("ecommerce", *_CONSTRAINED)
        record_sizes("ecommerce", LATER - timedelta(days=40))

        (diagnosis,) = diagnose(["ecommerce"], LATER - timedelta(days=2), ["index-unused"])

        assert diagnosis.findings == []
        assert diagnosis.insufficient_data[0].startswith(
            "unused indexes: insufficient data: the server has collected statistics"
        )

    def test_young_index(self, execute):
        execute("ecommerce", *_CONSTRAINED)
        record_sizes("ecommerce", LATER - timedelta(days=29))

        (diagnosis,) = diagnose(["ecommerce"], LATER, ["index-unused"])

        assert diagnosis.findings == []
        assert "may be younger than 30 days" in diagnosis.insufficient_data[0]

    def test_reset_of_statistics(self, execute):
        before = timezone.now()

        execute("classifieds", "SELECT pg_stat_reset()")

        diagnoses = diagnose(("classifieds", "ecommerce"), LATER)
        since = {diagnosis.alias: diagnosis.since for diagnosis in diagnoses}
        assert since["classifieds"] > before
        assert since["ecommerce"] < before


class TestReading:
    def test_changes_nothing(self, execute):
        execute("ecommerce", "CREATE TABLE seeded.narrow (id int)")

        with pytest.raises(InternalError, match="read-only"), reading("ecommerce") as cursor:
            cursor.execute("INSERT INTO seeded.narrow VALUES (1)")

    def test_does_not_wait_for_locks(self, execute, session):
        execute("ecommerce", "CREATE TABLE seeded.narrow (id int)")
        with session("ecommerce") as holder:
            holder.cursor().execute("BEGIN")
            holder.cursor().execute("LOCK TABLE seeded.narrow")

            (diagnosis,) = diagnose(["ecommerce"], timezone.now(), ["index-unused"])

        # Reading the catalog needs no lock on the table.
        assert diagnosis.severity is not Severity.CRITICAL


class TestLeastPrivilege:
    @pytest.fixture
    def role(self, execute, monkeypatch):
        execute("ecommerce", "CREATE ROLE visitor LOGIN")
        # pg_stat_statements is in this database.
        execute("ecommerce", "GRANT CONNECT ON DATABASE postgres TO visitor")
        for alias in ALL_ALIASES:
            name = connections[alias].settings_dict["NAME"]
            execute(alias, f"GRANT CONNECT ON DATABASE {name} TO visitor")
            execute(alias, "GRANT USAGE ON SCHEMA public TO visitor")
            monkeypatch.setitem(connections[alias].settings_dict, "USER", "visitor")
        yield
        for alias in ALL_ALIASES:
            execute(alias, "DROP OWNED BY visitor")
        execute("ecommerce", "DROP ROLE visitor")

    def test_skipped_checks_are_reported(self, role, session):
        with session("ecommerce"):
            diagnoses = diagnose(ALL_ALIASES, timezone.now())

        assert {row.alias: row.findings for row in diagnoses} == {key: [] for key in ALL_ALIASES}
        skipped = {diagnosis.alias: " ".join(diagnosis.skipped) for diagnosis in diagnoses}
        assert "GRANT pg_monitor TO visitor;" in skipped["ecommerce"]
        assert all("duplicate indexes" in diagnosis.examined for diagnosis in diagnoses)

    def test_commands_succeed(self, role):
        assert run("db_record_sizes").code == 0
        assert run("db_slow").code == 0
        assert run("db_doctor").code == 0

    def test_vacuum_skips_tables_of_other_roles(self, role, execute):
        execute("ecommerce", "CREATE TABLE seeded.narrow AS SELECT generate_series(1, 20000) AS id")
        execute("ecommerce", "GRANT USAGE ON SCHEMA seeded TO visitor")

        outcome = run("db_vacuum", "--database", "ecommerce", "--all")

        assert outcome.code == 1
        assert 'permission denied to vacuum "narrow"' in outcome.out
        assert "Run the command as the owner of the table." in outcome.out


class TestOutOfTheBox:
    @pytest.fixture
    def machine(self, create_machine):
        shutil.rmtree(DATA_DIR / "machine", ignore_errors=True)
        machine = create_machine(DATA_DIR / "machine")
        # The settings of the tests would be findings.
        del machine.environment["EMBEDDED_POSTGRES_CONF"]
        yield machine
        embedded.stop(machine.data_dir)
        shutil.rmtree(machine.data_dir)

    def test_no_findings(self, machine):
        assert machine("db_create").returncode == 0

        outcome = machine("db_doctor", "--format", "json")

        diagnoses = json.loads(outcome.stdout)
        codes = [finding["code"] for diagnosis in diagnoses for finding in diagnosis["findings"]]
        # The disk of this machine may be full.
        assert [code for code in codes if code != "disk-full"] == []
        assert not any(diagnosis["skipped"] for diagnosis in diagnoses)
        assert machine("db_slow").returncode == 0


def test_hanging_server_is_reported(mute_port, set_port):
    set_port("classifieds", mute_port)

    diagnoses = {row.alias: row for row in diagnose(ALL_ALIASES, timezone.now(), seconds=30)}

    assert [finding.code for finding in diagnoses["classifieds"].findings] == [
        "database-unreachable"
    ]
    assert "duplicate indexes" in diagnoses["ecommerce"].examined
