"""What differs from what roles should have is found, named and mended."""

import json
from contextlib import contextmanager

import pytest
from django.conf import settings
from django.db import connections
from django.utils import timezone

from marketplace.databases.creation import create_database
from marketplace.databases.parallel import run_on_all
from marketplace.databases.revisions import migrate
from marketplace.databases.roles.definitions import roles_of
from marketplace.databases.roles.grants import grant
from marketplace.databases.roles.passwords import matches
from marketplace.databases.roles.reconcile import inspect_roles, reconcile
from marketplace.databases.server import MAINTENANCE_DATABASE, connect_to_database
from marketplace.doctor.diagnosis import diagnose
from marketplace.postgresql import embedded
from tests.commands import run
from tests.marketplace.conftest import drop_roles

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds"], transaction=True)

ALIAS = "ecommerce"

OWNER, LOADER, ANALYST = (f"test_ecommerce_db_{kind}" for kind in ("owner", "loader", "analyst"))

#: What somebody did → what is said about it.
FAULTS = {
    f"GRANT INSERT ON ecommerce_offers TO {ANALYST}": (
        f"{ANALYST} should not have INSERT on table ecommerce_offers"
    ),
    f"GRANT UPDATE (price) ON ecommerce_offers TO {ANALYST}": (
        f"{ANALYST} should not have UPDATE on table ecommerce_offers"
    ),
    f"GRANT TRUNCATE ON ecommerce_offers TO {LOADER}": (
        f"{LOADER} should not have TRUNCATE on table ecommerce_offers"
    ),
    f"GRANT SELECT ON ecommerce_offers TO {LOADER} WITH GRANT OPTION": (
        f"{LOADER} may pass on SELECT on table ecommerce_offers"
    ),
    f"GRANT UPDATE ON django_migrations TO {LOADER}": (
        f"{LOADER} should not have UPDATE on table django_migrations"
    ),
    f"REVOKE SELECT ON TABLE ecommerce_sellers FROM {ANALYST}": (  # noqa: S608 # fixed names
        f"{ANALYST} lacks SELECT on table ecommerce_sellers"
    ),
    f"REVOKE USAGE ON SCHEMA public FROM {LOADER}": f"{LOADER} lacks USAGE on schema public",
    f"REVOKE EXECUTE ON FUNCTION ecommerce_create_price_month FROM {LOADER}": (
        f"{LOADER} lacks EXECUTE on function ecommerce_create_price_month"
    ),
    "GRANT EXECUTE ON FUNCTION ecommerce_create_price_month TO PUBLIC": (
        "PUBLIC should not have EXECUTE on function ecommerce_create_price_month"
    ),
    "GRANT SELECT ON ecommerce_sellers TO PUBLIC": (
        "PUBLIC should not have SELECT on table ecommerce_sellers"
    ),
    "GRANT CONNECT ON DATABASE test_ecommerce_db TO PUBLIC": (
        "PUBLIC should not have CONNECT on database test_ecommerce_db"
    ),
    "GRANT CREATE ON SCHEMA public TO PUBLIC": "PUBLIC should not have CREATE on schema public",
    "GRANT CREATE ON SCHEMA public TO test_stranger": (
        "test_stranger should not have CREATE on schema public"
    ),
    "GRANT CREATE ON DATABASE test_ecommerce_db TO test_stranger": (
        "test_stranger should not have CREATE on database test_ecommerce_db"
    ),
    "GRANT CONNECT ON DATABASE test_ecommerce_db TO test_classifieds_db_loader": (
        "test_classifieds_db_loader should not have CONNECT on database test_ecommerce_db"
    ),
    "ALTER TABLE ecommerce_sellers OWNER TO test_stranger": (
        f"{OWNER} does not own table ecommerce_sellers (test_stranger does)"
    ),
    "ALTER VIEW ecommerce_price_statistics OWNER TO postgres": (
        f"{OWNER} does not own table ecommerce_price_statistics (postgres does)"
    ),
    "ALTER FUNCTION ecommerce_create_price_month OWNER TO postgres": (
        f"{OWNER} does not own function ecommerce_create_price_month (postgres does)"
    ),
    "ALTER FUNCTION ecommerce_create_price_month RESET search_path": (
        f"{OWNER} lends its rights to a function without a search_path of its own: "
        "function ecommerce_create_price_month"
    ),
    "ALTER DATABASE test_ecommerce_db OWNER TO postgres": (
        f"{OWNER} does not own database test_ecommerce_db (postgres does)"
    ),
    "ALTER SCHEMA public OWNER TO postgres": (
        f"{OWNER} does not own schema public (postgres does)"
    ),
    f"GRANT {OWNER} TO {LOADER}": f"{LOADER} is a member of {OWNER}",
    f"GRANT pg_read_server_files TO {ANALYST}": f"{ANALYST} is a member of pg_read_server_files",
    f"ALTER ROLE {ANALYST} SUPERUSER": f"{ANALYST} has SUPERUSER",
    f"ALTER ROLE {OWNER} CREATEROLE": f"{OWNER} has CREATEROLE",
    f"ALTER ROLE {ANALYST} RESET default_transaction_read_only": (
        f"{ANALYST} lacks the setting default_transaction_read_only = on"
    ),
    f"ALTER ROLE {ANALYST} SET statement_timeout = 0": (
        f"{ANALYST} lacks the setting statement_timeout = 5min"
    ),
    f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA public REVOKE ALL ON TABLES FROM "
    f"{ANALYST}": f"{ANALYST} lacks SELECT on later tables",
    f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} IN SCHEMA public "
    f"GRANT DELETE ON TABLES TO {ANALYST}": f"{ANALYST} should not have DELETE on later tables",
    f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} GRANT SELECT, INSERT ON TABLES TO PUBLIC": (
        "PUBLIC should not have INSERT, SELECT on later tables of any schema"
    ),
    f"ALTER DEFAULT PRIVILEGES FOR ROLE {OWNER} GRANT USAGE ON SEQUENCES TO {ANALYST}": (
        f"{ANALYST} should not have USAGE on later sequences of any schema"
    ),
    f"REVOKE SELECT, INSERT ON ecommerce_offers FROM {LOADER}; "  # fixed names
    f"GRANT SELECT (id), INSERT (id) ON ecommerce_offers TO {LOADER}": (
        f"{LOADER} lacks INSERT, SELECT on table ecommerce_offers"
    ),
    f"ALTER ROLE {LOADER} VALID UNTIL '2020-01-01 00:00Z'": (
        f"{LOADER} cannot log in any more: VALID UNTIL 2020-01-01 00:00:00+00"
    ),
    f"ALTER ROLE {LOADER} CONNECTION LIMIT 0": (
        f"{LOADER} may open no connection: CONNECTION LIMIT 0"
    ),
    f"ALTER ROLE {ANALYST} CONNECTION LIMIT -1": (
        f"{ANALYST} may have more than 10 connections at once"
    ),
    f"ALTER ROLE {LOADER} CONNECTION LIMIT 90": (
        f"{LOADER} may have more than 48 connections at once"
    ),
    "ALTER DATABASE test_ecommerce_db CONNECTION LIMIT -1": (
        "PUBLIC may have more than 72 connections at once to database test_ecommerce_db"
    ),
    f"ALTER ROLE {ANALYST} RESET temp_file_limit": (
        f"{ANALYST} lacks the setting temp_file_limit = 5GB"
    ),
    f"ALTER ROLE {ANALYST} IN DATABASE test_ecommerce_db SET temp_file_limit = -1": (
        f"{ANALYST} starts with temp_file_limit = -1 in database test_ecommerce_db"
    ),
    "GRANT EXECUTE ON FUNCTION lo_create TO PUBLIC": (
        "PUBLIC should not have EXECUTE on system function lo_create"
    ),
    f"GRANT EXECUTE ON FUNCTION pg_advisory_lock(bigint) TO {ANALYST}": (
        f"{ANALYST} should not have EXECUTE on system function pg_advisory_lock"
    ),
    f"REVOKE EXECUTE ON FUNCTION pg_advisory_lock(bigint) FROM {LOADER}": (
        f"{LOADER} lacks EXECUTE on system function pg_advisory_lock"
    ),
    "GRANT TEMPORARY ON DATABASE postgres TO PUBLIC": (
        "PUBLIC should not have TEMPORARY on system database postgres"
    ),
    "GRANT CONNECT ON DATABASE template1 TO PUBLIC": (
        "PUBLIC should not have CONNECT on system database template1"
    ),
    f"GRANT CONNECT ON DATABASE postgres TO {ANALYST}": (
        f"{ANALYST} should not have CONNECT on system database postgres"
    ),
    f"ALTER ROLE {LOADER} SET default_transaction_read_only = true": (
        f"{LOADER} starts with default_transaction_read_only = true"
    ),
    f"ALTER ROLE {OWNER} IN DATABASE test_ecommerce_db SET default_transaction_read_only = on": (
        f"{OWNER} starts with default_transaction_read_only = on in database test_ecommerce_db"
    ),
    f"ALTER ROLE {LOADER} SET search_path = pg_catalog": (
        f"{LOADER} starts with search_path = pg_catalog"
    ),
    f"ALTER ROLE {ANALYST} SET role = {OWNER}": f"{ANALYST} starts with role = {OWNER}",
    f"ALTER ROLE {LOADER} SET session_replication_role = replica": (
        f"{LOADER} starts with session_replication_role = replica"
    ),
    f"ALTER ROLE {ANALYST} IN DATABASE test_ecommerce_db SET statement_timeout = 0": (
        f"{ANALYST} starts with statement_timeout = 0 in database test_ecommerce_db"
    ),
    f"ALTER ROLE {ANALYST} IN DATABASE test_ecommerce_db SET default_transaction_read_only = off": (
        f"{ANALYST} starts with default_transaction_read_only = off in database test_ecommerce_db"
    ),
}

#: What an administrator may choose for one of the roles → how it is undone.
CHOICES = {
    f"ALTER ROLE {LOADER} VALID UNTIL '2999-01-01 00:00Z'": "VALID UNTIL 'infinity'",
    f"ALTER ROLE {LOADER} VALID UNTIL 'infinity'": "VALID UNTIL 'infinity'",
    f"ALTER ROLE {LOADER} CONNECTION LIMIT 5": "CONNECTION LIMIT 48",
    f"ALTER ROLE {LOADER} SET work_mem = '64MB'": "RESET work_mem",
    f"ALTER ROLE {LOADER} SET search_path = '$user', public": "RESET search_path",
    f"ALTER ROLE {LOADER} SET default_transaction_read_only = off": (
        "RESET default_transaction_read_only"
    ),
}


def query(statement, alias=ALIAS):
    with connections[alias].cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else None


def differences(alias=ALIAS, name=None):
    return [str(difference) for difference in inspect_roles(alias, name).differences]


@pytest.fixture
def roles():
    """The roles of two databases, and one that is none of theirs."""
    reconcile("ecommerce")
    reconcile("classifieds")
    assert differences("ecommerce") == differences("classifieds") == []
    query("CREATE ROLE test_stranger")
    yield
    query("DROP OWNED BY test_stranger; DROP ROLE test_stranger")


@pytest.fixture
def deployer(monkeypatch, scratch):
    """Be a role that is no superuser, in a database that does not exist yet."""

    def be(attributes):
        scratch("classifieds")
        with connect_to_database("classifieds", MAINTENANCE_DATABASE) as cursor:
            drop_roles(cursor, "test_deployer")
            cursor.execute(f"CREATE ROLE test_deployer LOGIN {attributes}")
            cursor.execute("GRANT CONNECT ON DATABASE postgres TO test_deployer")
        connections["classifieds"].close()
        address = {
            "HOST": str(embedded.socket_directory(settings.DATA_DIR)),
            "PORT": "5432",
            "USER": "test_deployer",
        }
        for key, value in address.items():
            patch.setitem(connections["classifieds"].settings_dict, key, value)

    with monkeypatch.context() as patch:
        yield be
        connections["classifieds"].close()


class TestFaults:
    @pytest.mark.parametrize("statement", FAULTS)
    def test_each_is_named_and_mended(self, roles, statement):
        query(statement)

        assert differences() == [FAULTS[statement]]
        assert [str(difference) for difference in reconcile(ALIAS).mended] == [FAULTS[statement]]
        assert differences() == []

    @pytest.mark.parametrize("statement", CHOICES)
    def test_what_an_administrator_may_choose_is_none(self, roles, statement):
        query(statement)

        assert differences() == []
        query(f"ALTER ROLE {LOADER} {CHOICES[statement]}")

    def test_a_choice_is_shown(self, roles, monkeypatch):
        monkeypatch.setenv("ECOMMERCE_LOADER_PASSWORD", "Kq4-of-a-choice")
        reconcile(ALIAS)
        query(f"ALTER ROLE {LOADER} VALID UNTIL '2999-01-01 00:00Z' CONNECTION LIMIT 5")

        outcome = run("db_grants", "--database", "ecommerce")

        assert (
            "logs in; until 2999-01-01 00:00:00+00; at most 5 connections at once;" in outcome.out
        )
        query(f"ALTER ROLE {LOADER} VALID UNTIL 'infinity' CONNECTION LIMIT 48")

    @pytest.mark.parametrize("limit", ["VALID UNTIL '2020-01-01'", "CONNECTION LIMIT 0"])
    def test_one_that_is_kept_out_is_not_said_to_log_in(self, roles, limit):
        query(f"ALTER ROLE {LOADER} {limit}")

        shown = run("db_grants", "--database", "ecommerce")
        told = run("db_grants", "--database", "ecommerce", "--format", "json")

        assert f"{LOADER}   is kept from logging in; CONNECT" in shown.out
        assert json.loads(told.out)["ecommerce"]["roles"][LOADER]["can_log_in"] is False
        reconcile(ALIAS)

    def test_rights_on_columns_are_shown_as_such(self, roles):
        query("GRANT SELECT (id) ON ecommerce_offers TO test_stranger")

        outcome = run("db_grants", "--database", "ecommerce")

        assert "   other role: test_stranger  SELECT of columns on 1 table\n" in outcome.out

    def test_what_a_user_gave_to_a_role_of_theirs_is_left(self, roles):
        grant(ALIAS, "test_stranger", can_write=True)

        assert differences() == []
        assert reconcile(ALIAS) == reconcile(ALIAS)

    def test_what_a_user_could_do_as_everybody_could_is_kept(self, roles):
        query("GRANT SELECT, INSERT ON ecommerce_offers TO test_stranger")
        query("GRANT CONNECT, TEMPORARY ON DATABASE test_ecommerce_db TO PUBLIC")

        reconcile(ALIAS)

        for right in ("CONNECT", "TEMPORARY"):
            asked = f"has_database_privilege('test_stranger', 'test_ecommerce_db', '{right}')"
            assert query(f"SELECT {asked}") == [(True,)]
        assert differences() == []

    def test_what_others_could_do_on_the_server_is_kept(self, roles):
        query("ALTER ROLE test_stranger LOGIN; GRANT INSERT ON ecommerce_offers TO test_stranger")
        query("GRANT CONNECT ON DATABASE postgres TO PUBLIC")
        query("GRANT EXECUTE ON FUNCTION pg_advisory_lock(bigint), lo_create TO PUBLIC")

        reconcile(ALIAS)

        enters = "SELECT has_database_privilege(%s, 'postgres', 'CONNECT')"
        locks = "SELECT has_function_privilege(%s, 'pg_advisory_lock(bigint)', 'EXECUTE')"
        fills = "SELECT has_function_privilege(%s, 'lo_create(oid)', 'EXECUTE')"
        with connections[ALIAS].cursor() as cursor:
            for role, expected in (
                ("test_stranger", [True, True, False]),
                (LOADER, [True, True, False]),
                (ANALYST, [False, False, False]),
            ):
                answers = []
                for question in (enters, locks, fills):
                    cursor.execute(question, [role])
                    answers += cursor.fetchone()
                assert answers == expected, role
        assert differences() == []

    def test_the_setting_counts_up_to_a_part_of_the_server(self, roles, monkeypatch):
        found = {}
        for setting in ("3", "1000"):
            monkeypatch.setenv("ANALYST_CONNECTIONS", setting)
            reconcile(ALIAS)
            found[setting] = inspect_roles(ALIAS).accounts[ANALYST].connection_limit
        monkeypatch.delenv("ANALYST_CONNECTIONS")

        # Fewer than allowed are left as they are.
        query(f"ALTER ROLE {ANALYST} CONNECTION LIMIT -1")
        monkeypatch.setenv("ANALYST_CONNECTIONS", "1000")
        reconcile(ALIAS)

        assert found == {"3": 3, "1000": 3}
        # A third of the 97 that are not reserved, for three analysts.
        assert inspect_roles(ALIAS).accounts[ANALYST].connection_limit == 10
        monkeypatch.setenv("ANALYST_CONNECTIONS", "many")
        assert "ANALYST_CONNECTIONS is many" in run("db_grants", "--database", ALIAS).err

    def test_what_was_promised_to_a_role_is_kept_when_the_owner_changes(self, roles):
        query("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO test_stranger")

        assert differences() == ["test_stranger lacks SELECT on later tables"]
        reconcile(ALIAS)
        query(f"SET ROLE {OWNER}; CREATE TABLE later (); RESET ROLE")
        assert query("SELECT has_table_privilege('test_stranger', 'later', 'SELECT')") == [(True,)]
        query("DROP TABLE later")
        query("ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON TABLES FROM test_stranger")


class TestPasswords:
    def test_are_set_and_changed(self, roles, monkeypatch):
        for password in ("Kq4-first-one", "Kq4-second-one"):
            monkeypatch.setenv("ECOMMERCE_LOADER_PASSWORD", password)
            sentence = f"{LOADER} does not log in with ECOMMERCE_LOADER_PASSWORD"

            assert differences() == [sentence]
            reconcile(ALIAS)
            assert differences() == []

    @pytest.mark.parametrize("command", ["init_all", "db_grants --repair", "init_all --dry-run"])
    @pytest.mark.parametrize(
        ("password", "reason"),
        [("ab", "is an example"), ("k7Qz-mW2x", "has less than 12 characters")],
    )
    def test_that_can_be_guessed_are_refused(self, roles, monkeypatch, command, password, reason):
        monkeypatch.setenv("ECOMMERCE_LOADER_PASSWORD", password)
        # A server of one's own: the embedded one keeps its socket to itself.
        socket = str(embedded.socket_directory(settings.DATA_DIR))
        monkeypatch.setitem(connections[ALIAS].settings_dict, "HOST", socket)

        done = run(*command.split(), "--database", ALIAS)

        assert done.code == 1
        assert f"ECOMMERCE_LOADER_PASSWORD {reason}" in done.err
        stored = query(f"SELECT rolpassword FROM pg_authid WHERE rolname = '{LOADER}'")  # noqa: S608
        assert not matches(stored[0][0], password)

    def test_that_were_set_by_hand_stay(self, roles, monkeypatch):
        query(f"ALTER ROLE {LOADER} PASSWORD 'by hand'")
        monkeypatch.delenv("ECOMMERCE_LOADER_PASSWORD", raising=False)

        assert differences() == []


class TestInstallations:
    def test_one_without_roles_is_given_them(self, scratch):
        scratch("classifieds")
        create_database("classifieds")
        migrate("classifieds")

        done = reconcile("classifieds")

        assert done.made == tuple(role.name for role in roles_of("classifieds"))
        assert done.left == ()
        assert reconcile("classifieds") == ((), (), (), ())

    def test_many_at_once(self, scratch):
        scratch("classifieds")
        create_database("classifieds")
        migrate("classifieds")
        connections["classifieds"].close()

        done = run_on_all(lambda _: reconcile("classifieds"), ["a", "b", "c", "d"], seconds=60)

        assert sorted(len(each.made) for each in done.values()) == [0, 0, 0, 3]
        assert [each.left for each in done.values()] == [()] * 4
        assert differences("classifieds") == []

    def test_a_copy_has_the_rights_of_its_database(self, roles):
        connections[ALIAS].close()
        with connect_to_database(ALIAS, MAINTENANCE_DATABASE) as cursor:
            cursor.execute("DROP DATABASE IF EXISTS test_copy")
            cursor.execute("CREATE DATABASE test_copy TEMPLATE test_ecommerce_db")

            assert f"{OWNER} does not own database test_copy (postgres does)" in differences(
                ALIAS, "test_copy"
            )
            assert reconcile(ALIAS, "test_copy").left == ()
            assert differences(ALIAS, "test_copy") == []
            cursor.execute("DROP DATABASE test_copy")


class TestDeployers:
    def test_one_that_may_not_make_roles_goes_on_without(self, deployer):
        deployer("CREATEDB")
        self.extend()

        first, second = (run("init_all", "--database", "classifieds") for _ in range(2))

        assert first.code == second.code == 0
        assert "migrations" in first.out
        note = (
            "   No roles were made: permission denied to create role (as test_deployer). "
            "Everything works without them; to have them, run this as a role with CREATEROLE: "
            "python manage.py db_grants --repair --database classifieds\n"
        )
        assert second.out == f"CLASSIFIEDS: nothing to do\n{note}"
        assert query("SELECT count(*) FROM classifieds_sellers", "classifieds") == [(0,)]

    def test_one_that_may_makes_them_and_stays_able_to_migrate(self, deployer):
        deployer("CREATEDB CREATEROLE")
        self.extend()

        first = run("init_all", "--database", "classifieds")
        second = run("init_all", "--database", "classifieds")
        back = run("db_rollback", "classifieds", "1", "--force")
        again = run("init_all", "--database", "classifieds")

        assert "created 3 roles\n   No password, so no login, for new roles: set " in first.out
        assert second == ("CLASSIFIEDS: nothing to do\n", "", 0)
        assert (back.code, again.code) == (0, 0)
        assert differences("classifieds") == []
        # Limits that only a superuser can set are not differences; db_doctor reports them.
        [diagnosis] = diagnose(["classifieds"], timezone.now(), only=["role-unbounded"])
        found = " ".join(finding.what for finding in diagnosis.findings)
        assert "PUBLIC should not have EXECUTE on system function" in found
        assert "scratch_classifieds_analyst lacks the setting temp_file_limit" in found
        assert "connections" not in found

    def test_one_whose_databases_a_superuser_puts_in_order_stays_able_to_migrate(self, deployer):
        deployer("CREATEDB")
        self.extend()
        run("init_all", "--database", "classifieds")

        with self.superuser():
            mended = run("db_grants", "--repair", "--database", "classifieds")
        assert (mended.code, mended.err) == (0, "")

        back = run("db_rollback", "classifieds", "1", "--force")
        again = run("init_all", "--database", "classifieds")
        assert (back.code, again.code) == (0, 0)
        assert "   " not in again.out
        assert differences("classifieds") == []

    def extend(self):
        """Create what only a superuser may: the database's extensions."""
        create_database("classifieds")
        with self.superuser():
            query("CREATE EXTENSION cube; CREATE EXTENSION earthdistance", "classifieds")

    @contextmanager
    def superuser(self):
        connection = connections["classifieds"]
        user = connection.settings_dict["USER"]
        connection.close()
        connection.settings_dict["USER"] = embedded.SUPERUSER
        yield
        connection.close()
        connection.settings_dict["USER"] = user


class TestCommand:
    def test_shows_what_differs_and_exits_with_1(self, roles):
        query(f"GRANT INSERT ON ecommerce_offers TO {ANALYST}")

        outcome = run("db_grants", "--database", "ecommerce")

        assert outcome.code == 1
        assert outcome.err == "CommandError: 1 of 1 database failed: ecommerce\n"
        assert outcome.out.splitlines()[-2:] == [
            f"   Difference: {ANALYST} should not have INSERT on table ecommerce_offers",
            "   Mend: python manage.py db_grants --repair --database ecommerce",
        ]

        mended = run("db_grants", "--repair", "--database", "ecommerce")

        assert (mended.code, mended.err) == (0, "")
        assert mended.out.endswith(
            f"   Mended: {ANALYST} should not have INSERT on table ecommerce_offers\n"
        )
        assert run("db_grants", "--database", "ecommerce").code == 0

    def test_tells_a_program(self, roles):
        query("GRANT CONNECT ON DATABASE test_ecommerce_db TO PUBLIC")

        shown = run("db_grants", "--database", "ecommerce", "--format", "json")
        mended = run("db_grants", "--database", "ecommerce", "--format", "json", "--repair")

        assert (shown.code, mended.code) == (1, 0)
        answer = json.loads(shown.out)["ecommerce"]
        assert answer["differences"] == [
            {
                "role": "PUBLIC",
                "problem": "should not have CONNECT on",
                "objects": ["database test_ecommerce_db"],
                "reason": None,
            }
        ]
        assert answer["roles"][ANALYST]["rights"]["DATABASE"] == {"CONNECT": 1}
        assert json.loads(mended.out)["ecommerce"]["differences"] == []

    def test_lists_roles_of_the_users_own(self, roles):
        grant(ALIAS, "test_stranger", can_write=False)

        outcome = run("db_grants", "--database", "ecommerce")

        assert "   other role: test_stranger  CONNECT on the database; USAGE" in outcome.out

    def test_gives_its_own_roles_nothing_else(self, roles):
        outcome = run("db_grants", ANALYST, "--write", "--database", "classifieds")

        assert outcome.code == 1
        assert f"{ANALYST} has its own rights, and gets no others" in outcome.err

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--write"], "Name the role that may write"),
            (["somebody", "--repair"], "ROLE goes with --write and --database only"),
            (["somebody", "--format", "json"], "ROLE goes with --write and --database only"),
        ],
    )
    def test_refuses_what_does_not_go_together(self, arguments, message):
        outcome = run("db_grants", *arguments)

        assert (outcome.code, outcome.out) == (1, "")
        assert message in outcome.err
