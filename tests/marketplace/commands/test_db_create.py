import pytest

from marketplace.databases.creation import database_exists
from tests.commands import run

pytestmark = pytest.mark.django_db(databases=["classifieds"], transaction=True)


class TestDbCreate:
    def test_creates_missing_databases(self, scratch):
        name = scratch("classifieds")

        first = run("db_create", "--database", "classifieds")
        second = run("db_create", "--database", "classifieds")

        assert first == (f"CLASSIFIEDS: created database {name}\n", "", 0)
        assert second == (f"CLASSIFIEDS: database {name} exists\n", "", 0)
        assert database_exists("classifieds")

    def test_lists_the_choices(self):
        outcome = run("db_create", "--database", "olx")

        assert "invalid choice: 'olx'" in outcome.err
        assert outcome.code == 1
