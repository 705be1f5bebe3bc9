"""Differences between roles and their definition are reported and repaired."""

import json

import pytest
from django.conf import settings
from django.db import connections

from marketplace.databases.creation import create_database
from marketplace.databases.probe import CachedProbe
from marketplace.databases.revisions import migrate
from marketplace.databases.roles.definitions import roles_of
from marketplace.databases.roles.grants import grant
from marketplace.databases.roles.passwords import matches
from marketplace.databases.roles.reconcile import inspect_roles, reconcile
from marketplace.databases.server import MAINTENANCE_DATABASE, connect_to_database
from marketplace.postgresql import embedded
from tests.commands import run
from tests.marketplace.roles.differences import (
    ALIAS,
    ANALYST,
    CHOICES,
    DEFECTS,
    LOADER,
    OWNER,
    differences,
    query,
)

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds"], transaction=True)


class TestDifferences:
    @pytest.mark.parametrize("statement", DEFECTS)
    def test_each_is_reported_and_repaired(self, roles, statement):
        query(statement)

        assert differences() == [DEFECTS[statement]]
        assert [str(difference) for difference in reconcile(ALIAS).repaired] == [DEFECTS[statement]]
        assert differences() == []

    @pytest.mark.parametrize("statement", CHOICES)
    def test_choices_of_an_administrator_are_not_differences(self, roles, statement):
        query(statement)

        assert differences() == []
        query(f"ALTER ROLE {LOADER} {CHOICES[statement]}")

    def test_choices_are_shown(self, roles, monkeypatch):
        monkeypatch.setenv("ECOMMERCE_LOADER_PASSWORD", "Kq4-of-a-choice")
        reconcile(ALIAS)
        query(f"ALTER ROLE {LOADER} VALID UNTIL '2999-01-01 00:00Z' CONNECTION LIMIT 5")

        outcome = run("db_grants", "--database", "ecommerce")

        assert (
            "logs in; until 2999-01-01 00:00:00+00; at most 5 connections at once;" in outcome.out
        )
        query(f"ALTER ROLE {LOADER} VALID UNTIL 'infinity' CONNECTION LIMIT 48")

    @pytest.mark.parametrize("limit", ["VALID UNTIL '2020-01-01'", "CONNECTION LIMIT 0"])
    def test_a_blocked_login_is_reported(self, roles, limit):
        query(f"ALTER ROLE {LOADER} {limit}")

        shown = run("db_grants", "--database", "ecommerce")
        as_json = run("db_grants", "--database", "ecommerce", "--format", "json")

        assert f"{LOADER}   cannot log in: blocked by a limit; CONNECT" in shown.out
        assert json.loads(as_json.out)["ecommerce"]["roles"][LOADER]["can_log_in"] is False
        reconcile(ALIAS)

    def test_privileges_on_columns_are_shown(self, roles):
        query("GRANT SELECT (id) ON ecommerce_offers TO test_stranger")

        outcome = run("db_grants", "--database", "ecommerce")

        assert "   other role: test_stranger  SELECT of columns on 1 table\n" in outcome.out

    def test_grants_to_the_users_own_roles_are_kept(self, roles):
        grant(ALIAS, "test_stranger", can_write=True)

        assert differences() == []
        assert reconcile(ALIAS) == reconcile(ALIAS)

    def test_privileges_of_other_roles_through_public_are_kept(self, roles):
        query("GRANT SELECT, INSERT ON ecommerce_offers TO test_stranger")
        query("GRANT CONNECT, TEMPORARY ON DATABASE test_ecommerce_db TO PUBLIC")

        reconcile(ALIAS)

        for privilege in ("CONNECT", "TEMPORARY"):
            check = f"has_database_privilege('test_stranger', 'test_ecommerce_db', '{privilege}')"
            assert query(f"SELECT {check}") == [(True,)]
        assert differences() == []

    def test_privileges_of_other_roles_on_the_server_are_kept(self, roles):
        query("ALTER ROLE test_stranger LOGIN; GRANT INSERT ON ecommerce_offers TO test_stranger")
        query("GRANT CONNECT ON DATABASE postgres TO PUBLIC")
        query("GRANT EXECUTE ON FUNCTION pg_advisory_lock(bigint), lo_create TO PUBLIC")

        reconcile(ALIAS)

        connect = "SELECT has_database_privilege(%s, 'postgres', 'CONNECT')"
        lock = "SELECT has_function_privilege(%s, 'pg_advisory_lock(bigint)', 'EXECUTE')"
        create = "SELECT has_function_privilege(%s, 'lo_create(oid)', 'EXECUTE')"
        with connections[ALIAS].cursor() as cursor:
            for role, expected in (
                ("test_stranger", [True, True, False]),
                (LOADER, [True, True, False]),
                (ANALYST, [False, False, False]),
            ):
                results = []
                for statement in (connect, lock, create):
                    cursor.execute(statement, [role])
                    results += cursor.fetchone()
                assert results == expected, role
        assert differences() == []

    def test_the_connection_limit_is_at_most_a_share_of_the_server(self, roles, monkeypatch):
        limits = {}
        for setting in ("3", "1000"):
            monkeypatch.setenv("ANALYST_CONNECTIONS", setting)
            reconcile(ALIAS)
            limits[setting] = inspect_roles(ALIAS).accounts[ANALYST].connection_limit
        monkeypatch.delenv("ANALYST_CONNECTIONS")

        # A lower limit than allowed is kept.
        query(f"ALTER ROLE {ANALYST} CONNECTION LIMIT -1")
        monkeypatch.setenv("ANALYST_CONNECTIONS", "1000")
        reconcile(ALIAS)

        assert limits == {"3": 3, "1000": 3}
        # A third of the 97 connections that are not reserved, for three analysts.
        assert inspect_roles(ALIAS).accounts[ANALYST].connection_limit == 10
        monkeypatch.setenv("ANALYST_CONNECTIONS", "many")
        assert "ANALYST_CONNECTIONS is many" in run("db_grants", "--database", ALIAS).err

    def test_default_privileges_are_kept_when_the_owner_changes(self, roles):
        query("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO test_stranger")

        assert differences() == ["test_stranger lacks SELECT on future tables"]
        reconcile(ALIAS)
        query(f"SET ROLE {OWNER}; CREATE TABLE later (); RESET ROLE")
        assert query("SELECT has_table_privilege('test_stranger', 'later', 'SELECT')") == [(True,)]
        query("DROP TABLE later")
        query("ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON TABLES FROM test_stranger")


class TestPasswords:
    def test_are_set_and_changed(self, roles, monkeypatch):
        for password in ("Kq4-first-one", "Kq4-second-one"):
            monkeypatch.setenv("ECOMMERCE_LOADER_PASSWORD", password)
            difference = f"{LOADER} does not log in with ECOMMERCE_LOADER_PASSWORD"

            assert differences() == [difference]
            reconcile(ALIAS)
            assert differences() == []

    @pytest.mark.parametrize("command", ["init_all", "db_grants --repair", "init_all --dry-run"])
    @pytest.mark.parametrize(
        ("password", "reason"),
        [("ab", "is a published example"), ("k7Qz-mW2x", "has fewer than 12 characters")],
    )
    def test_weak_ones_are_rejected(self, roles, monkeypatch, command, password, reason):
        monkeypatch.setenv("ECOMMERCE_LOADER_PASSWORD", password)
        # As on a regular server: the embedded server's private socket needs no strong password.
        socket = str(embedded.socket_directory(settings.DATA_DIR))
        monkeypatch.setitem(connections[ALIAS].settings_dict, "HOST", socket)

        result = run(*command.split(), "--database", ALIAS)

        assert result.code == 1
        assert f"ECOMMERCE_LOADER_PASSWORD {reason}" in result.err
        stored = query(f"SELECT rolpassword FROM pg_authid WHERE rolname = '{LOADER}'")  # noqa: S608
        assert not matches(stored[0][0], password)

    def test_set_manually_are_kept(self, roles, monkeypatch):
        query(f"ALTER ROLE {LOADER} PASSWORD 'by hand'")
        monkeypatch.delenv("ECOMMERCE_LOADER_PASSWORD", raising=False)

        assert differences() == []


class TestInstallations:
    def test_missing_roles_are_created(self, scratch):
        scratch("classifieds")
        create_database("classifieds")
        migrate("classifieds")

        result = reconcile("classifieds")

        assert result.created == tuple(role.name for role in roles_of("classifieds"))
        assert result.unresolved == ()
        assert reconcile("classifieds") == ((), (), (), ())

    def test_concurrent_runs(self, scratch):
        scratch("classifieds")
        create_database("classifieds")
        migrate("classifieds")
        connections["classifieds"].close()

        probe = CachedProbe(lambda _: reconcile("classifieds"))
        results = probe.results(["a", "b", "c", "d"], seconds=60)

        assert sorted(len(result.created) for result in results.values()) == [0, 0, 0, 3]
        assert [result.unresolved for result in results.values()] == [()] * 4
        assert differences("classifieds") == []

    def test_a_copy_gets_the_privileges_of_its_database(self, roles):
        connections[ALIAS].close()
        with connect_to_database(ALIAS, MAINTENANCE_DATABASE) as cursor:
            cursor.execute("DROP DATABASE IF EXISTS test_copy")
            cursor.execute("CREATE DATABASE test_copy TEMPLATE test_ecommerce_db")

            assert f"{OWNER} does not own database test_copy (owned by postgres)" in differences(
                ALIAS, "test_copy"
            )
            assert reconcile(ALIAS, "test_copy").unresolved == ()
            assert differences(ALIAS, "test_copy") == []
            cursor.execute("DROP DATABASE test_copy")
