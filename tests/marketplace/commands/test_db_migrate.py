import pytest

from marketplace.databases.creation import create_database
from marketplace.databases.revisions import all_migrations, get_revision
from tests.commands import run

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


class TestDbMigrate:
    def test_lists_applied_migrations(self, scratch):
        scratch("procurement")
        create_database("procurement")

        outcome = run("db_migrate", "--database", "procurement")

        names = ", ".join(all_migrations("procurement"))
        assert outcome == (f"PROCUREMENT: applied {names}\n", "", 0)
        assert get_revision("procurement").current == "head"

    def test_dry_run_lists_pending_migrations(self, scratch):
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

    def test_migrates_all_databases(self):
        outcome = run("db_migrate")

        assert outcome == (
            "DEFAULT: nothing to do\nECOMMERCE: nothing to do\n"
            "CLASSIFIEDS: nothing to do\nPROCUREMENT: nothing to do\n",
            "",
            0,
        )

    def test_reports_a_missing_database(self, scratch):
        name = scratch("procurement")

        outcome = run("db_migrate", "--database", "procurement")

        assert outcome.out == ""
        assert f'database "{name}" does not exist. Create it: python' in outcome.err
        assert outcome.code == 1
