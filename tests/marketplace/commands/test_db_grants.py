"""Grant access to a role."""

import pytest
from django.db import ProgrammingError, connections, transaction

from tests.commands import run

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds", "procurement"])

READ = "SELECT count(*) FROM ecommerce_sellers"
WRITE = "DELETE FROM ecommerce_sellers"
MONTH = "SELECT ecommerce_create_price_month('2031-01-01')"


@pytest.fixture
def role():
    with connections["ecommerce"].cursor() as cursor:
        cursor.execute("CREATE ROLE test_analyst")
    return "test_analyst"


def can(role, statement):
    """Return whether the role may run a statement."""
    try:
        with transaction.atomic(using="ecommerce"), connections["ecommerce"].cursor() as cursor:
            cursor.execute(f"SET LOCAL ROLE {role}")
            cursor.execute(statement)
            cursor.execute("RESET ROLE")
    except ProgrammingError:
        return False
    return True


class TestGrants:
    def test_grants_read_access(self, role):
        assert not can(role, READ)

        outcome = run("db_grants", role, "--database", "ecommerce")

        assert outcome == ("ECOMMERCE: granted read access to test_analyst\n", "", 0)
        assert can(role, READ)
        assert not can(role, WRITE)
        assert not can(role, MONTH)

    def test_grants_write_access(self, role):
        outcome = run("db_grants", role, "--write", "--database", "ecommerce")

        assert outcome.out == "ECOMMERCE: granted read and write access to test_analyst\n"
        assert can(role, WRITE)
        assert can(role, MONTH)

    def test_reports_access_that_the_role_already_has(self, role):
        run("db_grants", role, "--database", "ecommerce")

        repeated = run("db_grants", role, "--database", "ecommerce")
        extended = run("db_grants", role, "--write", "--database", "ecommerce")

        assert repeated == ("ECOMMERCE: test_analyst already has read access\n", "", 0)
        assert extended.out == "ECOMMERCE: granted read and write access to test_analyst\n"

    def test_requires_a_database(self, role):
        outcome = run("db_grants", role)

        assert (outcome.out, outcome.code) == ("", 1)
        assert f"Name the database to which {role} gets access: add --database" in outcome.err
        assert not can(role, READ)

    def test_covers_future_tables(self, role):
        run("db_grants", role, "--database", "ecommerce")

        with connections["ecommerce"].cursor() as cursor:
            cursor.execute(MONTH)

        assert can(role, "SELECT count(*) FROM ecommerce_price_history_2031_01")

    def test_reports_an_unknown_role(self):
        outcome = run("db_grants", "nobody", "--database", "procurement")

        assert outcome.code == 1
        assert outcome.out == ""
        assert "PROCUREMENT: The role nobody does not exist. Create it:" in outcome.err
