"""Each role runs each kind of statement, and only permitted statements succeed."""

from contextlib import ExitStack, suppress

import psycopg2
import pytest

from tests.marketplace.roles.conftest import DATABASES, KINDS, password

#: A table of each database that the loader or the app writes to.
TABLES = {
    "default": "auth_group",
    "ecommerce": "ecommerce_sellers",
    "classifieds": "classifieds_sellers",
    "procurement": "procurement_organizations",
}

OWNER, WRITER, ALL_ROLES, NO_ROLE = (
    {"owner"},
    {"owner", "loader", "app"},
    {"owner", "loader", "app", "analyst"},
    set(),
)

#: Statement → the kinds of roles that may run it.
STATEMENTS = {
    "SELECT FROM {t}": ALL_ROLES,
    "SELECT FROM django_migrations": ALL_ROLES,
    "COPY {t} TO STDOUT": ALL_ROLES,
    "SELECT * FROM pg_catalog.pg_tables": ALL_ROLES,
    # Writing data.
    "INSERT INTO {t} SELECT * FROM {t} WHERE false": WRITER,
    "UPDATE {t} SET id = id": WRITER,
    "DELETE FROM {t}": WRITER,
    "SELECT FROM {t} FOR UPDATE": WRITER,
    "MERGE INTO {t} USING {t} AS s ON s.id = {t}.id WHEN MATCHED THEN DELETE": WRITER,
    "SELECT nextval('{t}_id_seq')": WRITER,
    "CREATE TEMPORARY TABLE staging (LIKE {t})": WRITER,
    # Locks, which share memory with all databases.
    "SELECT pg_advisory_xact_lock(1)": WRITER,
    "SELECT pg_advisory_lock(1)": WRITER,
    "SELECT pg_try_advisory_lock(1, 2)": WRITER,
    "SELECT pg_advisory_lock_shared(1)": WRITER,
    "SELECT pg_try_advisory_xact_lock_shared(1, 2)": WRITER,
    "LOCK TABLE {t} IN ACCESS EXCLUSIVE MODE": WRITER,
    # The disk.
    "SELECT lo_create(0)": NO_ROLE,
    "SELECT lo_creat(-1)": NO_ROLE,
    "SELECT lo_from_bytea(0, 'novel')": NO_ROLE,
    "SELECT pg_logical_emit_message(false, 'novel', 'novel')": NO_ROLE,
    "SELECT pg_export_snapshot()": WRITER,
    "SET temp_file_limit = -1": NO_ROLE,
    "SET log_min_messages = log": NO_ROLE,
    "ALTER ROLE CURRENT_USER SET log_min_messages = log": NO_ROLE,
    "SELECT pg_create_physical_replication_slot('novel')": NO_ROLE,
    "CREATE FUNCTION pg_temp.novel() RETURNS int LANGUAGE sql AS 'SELECT 1'": WRITER,
    "DECLARE novel CURSOR WITH HOLD FOR SELECT 1": ALL_ROLES,
    "ALTER ROLE CURRENT_USER SET temp_file_limit = -1": NO_ROLE,
    # Connections.
    "ALTER ROLE CURRENT_USER CONNECTION LIMIT -1": NO_ROLE,
    "ALTER DATABASE {d} CONNECTION LIMIT -1": OWNER,
    # Permitted to all roles by PostgreSQL: see "Limits of a role" in docs/operations.md.
    "SET statement_timeout = 0": ALL_ROLES,
    "SET work_mem = '1GB'": ALL_ROLES,
    "SELECT pg_sleep(0)": ALL_ROLES,
    "NOTIFY novel": ALL_ROLES,
    # Destructive statements and metadata.
    "TRUNCATE {t} CASCADE": OWNER,
    "SELECT setval('{t}_id_seq', 1000)": OWNER,
    "UPDATE django_migrations SET name = name": OWNER,
    "DELETE FROM django_migrations": OWNER,
    # Tables.
    "CREATE TABLE novel (id int)": OWNER,
    "CREATE TABLE novel AS SELECT 1": OWNER,
    "SELECT 1 INTO novel": OWNER,
    "CREATE UNLOGGED TABLE novel (id int)": OWNER,
    "CREATE VIEW novel AS SELECT 1": OWNER,
    "CREATE MATERIALIZED VIEW novel AS SELECT 1": OWNER,
    "CREATE SEQUENCE novel": OWNER,
    "CREATE TYPE novel AS (id int)": OWNER,
    "CREATE DOMAIN novel AS int": OWNER,
    "CREATE INDEX novel ON {t} (id)": OWNER,
    "ALTER TABLE {t} ADD COLUMN novel int": OWNER,
    "ALTER TABLE {t} DISABLE TRIGGER USER": OWNER,
    "ALTER TABLE {t} RENAME TO novel": OWNER,
    "ALTER TABLE {t} OWNER TO CURRENT_USER": OWNER,
    "ALTER TABLE {t} OWNER TO postgres": NO_ROLE,
    "ALTER SEQUENCE {t}_id_seq RESTART": OWNER,
    "COMMENT ON TABLE {t} IS 'novel'": OWNER,
    "DROP TABLE {t} CASCADE": OWNER,
    "CREATE RULE novel AS ON DELETE TO {t} DO INSTEAD NOTHING": OWNER,
    "CREATE POLICY novel ON {t}": OWNER,
    # Code.
    "CREATE FUNCTION novel() RETURNS int LANGUAGE sql AS 'SELECT 1'": OWNER,
    "CREATE FUNCTION novel() RETURNS int LANGUAGE c AS 'novel'": NO_ROLE,
    "CREATE PROCEDURE novel() LANGUAGE sql AS 'SELECT 1'": OWNER,
    "DO $$ BEGIN END $$": ALL_ROLES,
    "CREATE EXTENSION hstore": OWNER,
    "CREATE EXTENSION pg_stat_statements": NO_ROLE,
    "CREATE EXTENSION postgres_fdw": NO_ROLE,
    "CREATE LANGUAGE novel HANDLER plpgsql_call_handler": NO_ROLE,
    "CREATE EVENT TRIGGER novel ON ddl_command_start EXECUTE FUNCTION novel()": NO_ROLE,
    # Schemas, databases, roles.
    "CREATE SCHEMA novel": OWNER,
    "DROP SCHEMA public CASCADE": OWNER,
    "ALTER DATABASE {d} SET work_mem = '1MB'": OWNER,
    "ALTER DATABASE {d} OWNER TO postgres": NO_ROLE,
    "CREATE ROLE novel": NO_ROLE,
    "ALTER ROLE CURRENT_USER CREATEDB": NO_ROLE,
    "ALTER ROLE postgres PASSWORD 'novel'": NO_ROLE,
    "GRANT pg_read_all_data TO CURRENT_USER": NO_ROLE,
    "GRANT {d}_owner TO CURRENT_USER": NO_ROLE,
    "SET ROLE {d}_owner": OWNER,
    "SET ROLE postgres": NO_ROLE,
    "SET SESSION AUTHORIZATION postgres": NO_ROLE,
    "ALTER DEFAULT PRIVILEGES FOR ROLE {d}_owner GRANT ALL ON TABLES TO PUBLIC": OWNER,
    # The server.
    "SET session_replication_role = replica": NO_ROLE,
    "SELECT pg_reload_conf()": NO_ROLE,
    "CHECKPOINT": NO_ROLE,
    "SELECT pg_read_file('PG_VERSION')": NO_ROLE,
    "SELECT pg_ls_dir('.')": NO_ROLE,
    "SELECT lo_import('/etc/passwd')": NO_ROLE,
    "SELECT lo_export(1, '/tmp/novel')": NO_ROLE,
    "COPY {t} TO PROGRAM 'cat'": NO_ROLE,
    "COPY {t} TO '/tmp/novel'": NO_ROLE,
    "COPY {t} FROM PROGRAM 'cat'": NO_ROLE,
    "SELECT rolpassword FROM pg_authid": NO_ROLE,
    "SELECT * FROM pg_user_mapping": NO_ROLE,
    "SELECT pg_promote()": NO_ROLE,
    "SELECT pg_switch_wal()": NO_ROLE,
}

#: Statements for one database only.
OF_ONE = {
    "ecommerce": {
        "SELECT ecommerce_create_price_month('2031-01-01')": WRITER,
        "SELECT ecommerce_convert(1, 'USD', 'UZS', '2026-01-01')": ALL_ROLES,
        "SELECT * FROM ecommerce_price_statistics": ALL_ROLES,
        "ALTER FUNCTION ecommerce_create_price_month SECURITY INVOKER": OWNER,
        "CREATE TABLE novel PARTITION OF ecommerce_price_history "
        "FOR VALUES FROM ('2030-01-01') TO ('2030-02-01')": OWNER,
    },
    "procurement": {
        "SELECT FROM procurement_lot_events": ALL_ROLES,
        "INSERT INTO procurement_lot_events TABLE procurement_lot_events LIMIT 0": WRITER,
        # Rejected by a trigger, which only the owner may remove.
        "UPDATE procurement_lot_events SET kind = kind": NO_ROLE,
        "DELETE FROM procurement_lot_events": NO_ROLE,
        "DROP TRIGGER procurement_lot_events_append_only ON procurement_lot_events": OWNER,
        "ALTER TABLE procurement_lot_events DISABLE TRIGGER ALL": NO_ROLE,
        "ALTER TABLE procurement_lot_events DISABLE TRIGGER USER": OWNER,
        "TRUNCATE procurement_lot_events": OWNER,
    },
}

#: Statements that only warn without the privilege → condition that holds if they had an effect.
GRANTS = {
    "GRANT SELECT ON {t} TO PUBLIC": "has_table_privilege('public', '{t}', 'SELECT')",
    "GRANT CONNECT ON DATABASE {d} TO PUBLIC": "has_database_privilege('public', '{d}', 'CONNECT')",
    "GRANT USAGE ON SCHEMA public TO PUBLIC": "has_schema_privilege('public', 'public', 'USAGE')",
}

#: Statements that cannot run in a transaction, and that no role may run.
ALONE = (
    "ALTER SYSTEM SET fsync = off",
    "CREATE DATABASE novel",
    "DROP DATABASE {other}",
    "ALTER DATABASE {other} RENAME TO novel",
    "ALTER DATABASE {other} SET work_mem = '1MB'",
    "CREATE TABLESPACE novel LOCATION '/tmp'",
    "REINDEX SYSTEM {d}",
)

#: Errors of missing privileges. Any other error is a mistake in this test.
_REFUSED = (
    psycopg2.errors.InsufficientPrivilege,
    psycopg2.errors.RestrictViolation,
    psycopg2.errors.InvalidPassword,
)

ROLES = [(alias, kind) for alias, kinds in KINDS.items() for kind in kinds]


def attempt(connection, statement, check="true"):
    """Return whether a statement is permitted. Its effect is rolled back."""
    try:
        with connection.cursor() as cursor:
            if statement.endswith("TO STDOUT"):
                cursor.copy_expert(statement, Sink())
            else:
                cursor.execute(statement)
            cursor.execute(f"SELECT {check}")
            return cursor.fetchone() == (True,)
    except _REFUSED:
        return False
    except psycopg2.Error as error:
        return repr(error)
    finally:
        connection.rollback()


class Sink:
    def write(self, data):
        """Discard copied data."""


@pytest.mark.parametrize(("alias", "kind"), ROLES)
class TestMatrix:
    def test_statements(self, server, alias, kind):
        names = {"t": TABLES[alias], "d": DATABASES[alias]}
        statements = STATEMENTS | OF_ONE.get(alias, {})
        wrong = {}

        with server.enter(alias, kind) as connection:
            # Privileges must be sufficient, as roles can change this setting.
            connection.cursor().execute("SET default_transaction_read_only = off")
            connection.commit()
            for statement, allowed in statements.items():
                may = attempt(connection, statement.format(**names))
                if may != (kind in allowed):
                    wrong[statement] = may

        assert wrong == {}

    def test_granting_privileges(self, server, alias, kind):
        names = {"t": TABLES[alias], "d": DATABASES[alias]}

        with server.enter(alias, kind) as connection:
            connection.cursor().execute("SET default_transaction_read_only = off")
            connection.commit()
            result = [
                attempt(connection, statement.format(**names), check.format(**names))
                for statement, check in GRANTS.items()
            ]

        assert result == [kind == "owner"] * len(GRANTS)

    def test_statements_that_no_role_may_run(self, server, alias, kind):
        others = [name for other, name in DATABASES.items() if other != alias]

        with server.enter(alias, kind) as connection:
            connection.autocommit = True
            connection.cursor().execute("SET default_transaction_read_only = off")
            for statement in ALONE:
                result = attempt(connection, statement.format(d=DATABASES[alias], other=others[0]))
                owns = kind == "owner" and statement.startswith("REINDEX")
                assert result == owns, statement

    def test_connecting_to_databases(self, server, alias, kind):
        entered = []

        for other in DATABASES:
            try:
                with server.enter(alias, kind, other):
                    entered.append(other)
            except psycopg2.OperationalError as error:
                assert "User does not have CONNECT privilege" in str(error)

        assert entered == [alias]

    def test_connecting_to_system_databases(self, server, alias, kind):
        entered = []

        for name in ("postgres", "template1"):
            role, secret = f"{DATABASES[alias]}_{kind}", password(alias, kind)
            with suppress(psycopg2.OperationalError), server.connect(role, name, secret) as other:
                entered.append(name)
                assert not attempt(other, "CREATE TEMPORARY TABLE novel (id int)")
                assert not attempt(other, "CREATE TABLE novel (id int)")

        # Processes that change roles take a lock there.
        assert entered == ([] if kind == "analyst" else ["postgres"])

    def test_other_passwords_are_rejected(self, server, alias, kind):
        name = DATABASES[alias]

        for secret in ("", "postgres", password(alias, "other")):
            with pytest.raises(psycopg2.OperationalError, match="password"):
                server.connect(f"{name}_{kind}", name, secret)


class TestAnalyst:
    @pytest.mark.parametrize("alias", ["ecommerce", "classifieds", "procurement"])
    def test_is_read_only_with_a_time_limit(self, server, alias):
        with server.enter(alias, "analyst") as connection, connection.cursor() as cursor:
            settings = {}
            for name in ("default_transaction_read_only", "statement_timeout", "temp_file_limit"):
                cursor.execute(f"SHOW {name}")
                settings[name] = cursor.fetchone()[0]

            assert settings == {
                "default_transaction_read_only": "on",
                "statement_timeout": "5min",
                "temp_file_limit": "5GB",
            }
            with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
                cursor.execute(f"TRUNCATE {TABLES[alias]}")

    def test_writes_nothing_to_the_log(self, server):
        log = server.machine.data_dir / "postgres" / "server.log"

        with server.enter("ecommerce", "analyst") as connection:
            for statement in (
                "DO $$ BEGIN RAISE LOG '%', repeat('novel', 9); END $$",
                "SELECT repeat('novel', 9)::int",
                "SET client_min_messages = error; SET debug_print_plan = on; SELECT 1",
            ):
                attempt(connection, statement)

        assert "novelnovel" not in log.read_text()
        assert "PLANNEDSTMT" not in log.read_text()

    def test_notifications_have_a_disk_limit(self, server):
        assert server.do("SHOW max_notify_queue_pages") == [("1024",)]


class TestConnections:
    def test_are_left_to_the_other_databases(self, server):
        counts = {}

        with ExitStack() as stack:
            for kind in ("analyst", "loader", "owner"):
                with pytest.raises(psycopg2.OperationalError, match="too many connections for"):
                    for counts[kind] in range(100):
                        stack.enter_context(server.enter("ecommerce", kind))

            # Sessions of other tests may still be open.
            assert 1 <= counts["analyst"] <= 10
            assert 40 <= counts["loader"] <= 48
            assert sum(counts.values()) <= 72
            for alias, kind in [role for role in ROLES if role[0] != "ecommerce"]:
                with server.enter(alias, kind) as connection:
                    assert attempt(connection, f"TABLE {TABLES[alias]}") is True
            assert server.do("SELECT 1") == [(1,)]


class TestCleanup:
    def test_nothing_was_changed(self, server):
        result = server.machine("db_grants")

        assert "Difference" not in result.stdout
        assert result.returncode == 0
