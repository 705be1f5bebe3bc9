import pytest
from django.conf import settings
from django.db import OperationalError, connections

from marketplace.backups import restore as restores
from marketplace.databases.names import database_name
from marketplace.databases.roles import other_roles
from marketplace.databases.roles.grants import grant
from marketplace.databases.roles.reconcile import reconcile
from marketplace.postgresql import embedded
from tests.commands import run
from tests.marketplace.backups.conftest import (
    back_up,
    connect,
    execute,
    other_databases,
    restore,
)
from tests.marketplace.conftest import drop_roles

pytestmark = pytest.mark.django_db(databases=["procurement"], transaction=True)
PROCUREMENT = ["--database", "procurement"]


class TestRoles:
    """Privileges on functions that use locks and disk space."""

    LOCKS = "pg_advisory_lock(bigint)"
    FILLS = "lo_create(oid)"

    @pytest.fixture
    def restorer(self, live, monkeypatch):
        """Connect as a role that may create databases and is not a superuser."""
        reconcile("procurement")
        with connect("postgres") as cursor:
            drop_roles(cursor, "test_restorer")
        execute("postgres", "CREATE ROLE test_restorer LOGIN CREATEDB IN ROLE {}", f"{live}_owner")
        back_up("procurement")
        connections["procurement"].close()
        socket = str(embedded.socket_directory(settings.DATA_DIR))
        with monkeypatch.context() as patch:
            for key, value in {"HOST": socket, "PORT": "5432", "USER": "test_restorer"}.items():
                patch.setitem(connections["procurement"].settings_dict, key, value)
            yield
            connections["procurement"].close()
        # The role owns the extensions of the copy.
        execute("postgres", "DROP DATABASE IF EXISTS a_copy WITH (FORCE)")
        execute("postgres", "DROP ROLE {}", "test_restorer")

    def may(self, name, *functions):
        """Return whether PUBLIC and the loader may call each function."""
        loader = f"{database_name('procurement')}_loader"
        question = f"SELECT has_function_privilege('public', '{{}}', 'EXECUTE'), \
            has_function_privilege('{loader}', '{{}}', 'EXECUTE')"
        return [execute(name, question.format(function, function))[0] for function in functions]

    @pytest.mark.parametrize("is_earlier", [False, True])
    def test_public_has_fewer_privileges_than_in_a_new_database(self, live, is_earlier):
        reconcile("procurement")
        if is_earlier:
            # The dump is older than the revocation.
            execute(live, f"GRANT EXECUTE ON FUNCTION {self.LOCKS}, {self.FILLS} TO PUBLIC")
        back_up("procurement")

        outcome = restore("--into", "a_copy")

        assert outcome.code == 0
        assert self.may("a_copy", self.LOCKS, self.FILLS) == [(False, True), (False, False)]
        reconcile("procurement")

    def test_restore_without_superuser(self, live, restorer):
        assert self.may(live, self.LOCKS, self.FILLS) == [(False, True), (False, False)]

        outcome = restore("--into", "a_copy")

        assert "all as dumped" in outcome.out
        assert outcome.code == 0
        assert self.may("a_copy", self.LOCKS, self.FILLS) == [(True, True), (True, True)]


class TestOtherRoles:
    """Privileges that roles of the user's own got after the backup."""

    ROLE = "test_nina"
    TABLES = """
        SELECT count(*) FROM pg_class
        WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
            AND has_table_privilege('test_nina', oid, '{}')
    """

    @pytest.fixture
    def role(self, live):
        """A role without privileges, created after the backup."""
        reconcile("procurement")
        back_up("procurement")
        execute("postgres", "CREATE ROLE {} LOGIN", self.ROLE)
        yield self.ROLE
        for name in other_databases("procurement"):
            execute("postgres", "DROP DATABASE {} WITH (FORCE)", name)
        execute(live, "DROP OWNED BY {}", self.ROLE)
        execute("postgres", "DROP ROLE {}", self.ROLE)

    def count(self, name, privilege):
        """Return on how many tables the role has a privilege."""
        ((count,),) = execute(name, self.TABLES.format(privilege))
        return count

    def shown(self):
        """Return what db_grants shows about the role."""
        outcome = run("db_grants", "--database", "procurement")
        assert outcome.code == 0, outcome
        return [line for line in outcome.out.splitlines() if self.ROLE in line]

    @pytest.mark.parametrize("can_write", [False, True])
    def test_keep_their_access(self, live, role, can_write):
        grant("procurement", role, can_write=can_write)
        shown, selectable = self.shown(), self.count(live, "SELECT")

        outcome = restore()

        assert outcome.code == 0
        message = f"granted {role} the privileges that it has in the replaced database"
        assert f"PROCUREMENT: {message}\n" in outcome.err
        assert self.shown() == shown
        assert self.count(live, "SELECT") == selectable
        assert bool(self.count(live, "DELETE")) == can_write
        # Including default privileges: nothing is left to grant.
        assert not grant("procurement", role, can_write=can_write)

    def test_get_no_more_than_they_had(self, live, role):
        execute(live, "GRANT USAGE ON SCHEMA public TO {}", role)
        execute(live, "GRANT SELECT ON procurement_lots TO {}", role)

        assert restore().code == 0

        assert self.count(live, "SELECT") == 1

    def test_get_tables_that_only_the_set_has(self, live, role):
        grant("procurement", role, can_write=False)
        execute(live, "REVOKE SELECT ON procurement_organizations FROM {}", role)
        selectable = self.count(live, "SELECT")
        execute(live, "ALTER TABLE procurement_lots RENAME TO renamed_lots")

        assert restore().code == 0

        assert self.count(live, "SELECT") == selectable

    def test_get_nothing_in_a_copy(self, live, role):
        grant("procurement", role, can_write=False)

        outcome = restore("--into", "a_copy")

        assert role not in outcome.err
        assert self.count("a_copy", "SELECT") == 0

    def test_reports_a_role_that_no_longer_exists(self, live, role, monkeypatch):
        grant("procurement", role, can_write=True)
        read = other_roles._read

        def read_with_dropped_role(cursor, alias):
            objects = read(cursor, alias)
            for item in objects.values():
                if role in item.grants:
                    item.grants["test_dropped"] = item.grants.pop(role)
            return objects

        monkeypatch.setattr(other_roles, "_read", read_with_dropped_role)

        outcome = restore()

        assert outcome.code == 0
        assert "warning: test_dropped lacks " in outcome.err
        assert (
            ': role "test_dropped" does not exist. Run this as a superuser: python manage.py '
            "db_grants test_dropped --write --database procurement\n"
        ) in outcome.err

    def test_survives_an_unreadable_database(self, live, role, monkeypatch):
        def fail(*arguments):
            raise OperationalError("cannot be read\nDETAIL")

        monkeypatch.setattr(restores, "carry_over", fail)

        outcome = restore()

        assert outcome.code == 0
        assert f"privileges of other roles in {live} cannot be carried over: cannot be read." in (
            outcome.err
        )
