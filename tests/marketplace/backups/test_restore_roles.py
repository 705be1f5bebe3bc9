import pytest
from django.conf import settings
from django.db import connections

from marketplace.databases.names import database_name
from marketplace.databases.roles.reconcile import reconcile
from marketplace.postgresql import embedded
from tests.marketplace.backups.conftest import (
    back_up,
    connect,
    execute,
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
            # Earlier versions did not revoke these privileges.
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
