import pytest

from marketplace.databases.creation import create_database
from marketplace.databases.revisions import all_migrations, get_revision
from tests.commands import run

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


class TestDbMigrate:
    def test_names_what_it_applied(self, scratch):
        scratch("procurement")
        create_database("procurement")

        outcome = run("db_migrate", "--database", "procurement")

        names = ", ".join(all_migrations("procurement"))
        assert outcome == (f"PROCUREMENT: applied {names}\n", "", 0)
        assert get_revision("procurement").current == "head"

    def test_says_what_it_would_apply(self, scratch):
        scratch("procurement")
        create_database("procurement")

        outcome = run("db_migrate", "--dry-run")

        names = ", ".join(all_migrations("procurement"))
        assert outcome == (
            "DEFAULT: nothing to do\nECOMMERCE: nothing to do\n"
            f"CLASSIFIEDS: nothing to do\nPROCUREMENT: Would apply {names}\n",
            "",
            0,
        )
        assert get_revision("procurement").current == "none"

    def test_migrates_all_and_finds_nothing_to_do(self):
        outcome = run("db_migrate")

        assert outcome == (
            "DEFAULT: nothing to do\nECOMMERCE: nothing to do\n"
            "CLASSIFIEDS: nothing to do\nPROCUREMENT: nothing to do\n",
            "",
            0,
        )

    def test_says_what_to_do_when_the_database_is_missing(self, scratch):
        name = scratch("procurement")

        outcome = run("db_migrate", "--database", "procurement")

        assert outcome.out == ""
        assert f'database "{name}" does not exist. Create it: python' in outcome.err
        assert outcome.code == 1
