import pytest

from marketplace.databases.creation import create_database
from marketplace.databases.revisions import get_revision, migrate
from tests.commands import run

pytestmark = pytest.mark.django_db(databases=["classifieds"], transaction=True)

CHOICES = (
    "CommandError: Specify the database and the number of migrations to undo: "
    "db_rollback ecommerce|classifieds|procurement N\n"
)


@pytest.fixture
def migrated(scratch):
    scratch("classifieds")
    create_database("classifieds")
    return migrate("classifieds")


class TestDbRollback:
    @pytest.mark.parametrize("arguments", [[], ["classifieds"], ["2"], ["default", "1"]])
    def test_requires_both_arguments(self, arguments):
        assert run("db_rollback", *arguments) == ("", CHOICES, 1)

    @pytest.mark.parametrize("steps", ["1", "-1"])
    def test_dry_run_lists_migrations(self, migrated, steps):
        outcome = run("db_rollback", "classifieds", steps, "--dry-run")

        assert outcome == (
            f"CLASSIFIEDS: Would unapply {migrated[-1]}, back to {migrated[-2]}\n",
            "",
            0,
        )
        assert get_revision("classifieds").current == "head"

    def test_undoes_after_confirmation(self, migrated, monkeypatch):
        monkeypatch.setattr("builtins.input", lambda: "classifieds")

        outcome = run("db_rollback", "classifieds", "1")

        change = f"{migrated[-1]}, back to {migrated[-2]}"
        assert outcome == (
            f"CLASSIFIEDS: Unapplied {change}\n",
            f"CLASSIFIEDS: Will unapply {change}, dropping the data of the tables and columns that "
            "they created. "
            "Type classifieds to continue: ",
            0,
        )
        assert get_revision("classifieds").current == migrated[-2]

    def test_does_nothing_without_confirmation(self, migrated, monkeypatch):
        monkeypatch.setattr("builtins.input", lambda: "yes")

        outcome = run("db_rollback", "classifieds", "1")

        assert (outcome.out, outcome.code) == ("", 1)
        assert "CLASSIFIEDS: Not confirmed: no changes were made.\n" in outcome.err
        assert get_revision("classifieds").current == "head"

    def test_force_needs_no_confirmation(self, migrated):
        outcome = run("db_rollback", "classifieds", "2", "--force")

        assert outcome == (
            f"CLASSIFIEDS: Unapplied {migrated[-1]}, {migrated[-2]}, back to {migrated[-3]}\n",
            "",
            0,
        )

    def test_rejects_more_than_are_applied(self, migrated):
        outcome = run("db_rollback", "classifieds", "99", "--force")

        assert (outcome.out, outcome.code) == ("", 1)
        assert f"classifieds has {len(migrated)} applied" in outcome.err
