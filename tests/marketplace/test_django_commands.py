"""Django's commands, on the database of the named apps."""

import pytest
from django.core.management import call_command
from django.db import connections

from marketplace.databases.creation import create_database
from marketplace.databases.revisions import all_migrations, get_revision, migrate
from marketplace.registry import ALIASES
from tests import factories
from tests.commands import run

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

#: Django's apps of the database of accounts.
CONTROL_APPS = {"admin", "auth", "axes", "contenttypes", "marketplace", "sessions"}


def recorded(alias):
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT app, name FROM django_migrations ORDER BY id")
        return cursor.fetchall()


@pytest.fixture
def empty(scratch):
    scratch("procurement")
    create_database("procurement")


class TestMigrate:
    def test_applies_and_records_the_apps_of_the_database(self, empty):
        outcome = run("migrate", "--database=procurement")

        names = all_migrations("procurement")
        applied = "".join(f"  Applying procurement.{name}... OK\n" for name in names)
        assert outcome == (
            "Operations to perform:\n  Apply all migrations: procurement\n"
            f"Running migrations:\n{applied}",
            "",
            0,
        )
        assert recorded("procurement") == [("procurement", name) for name in names]
        assert get_revision("procurement").current == "head"

    def test_chooses_the_database_of_the_app(self, empty):
        outcome = run("migrate", "procurement", "0001")

        assert outcome.out.startswith("Database: procurement (scratch_procurement). To choose")
        assert recorded("procurement") == [("procurement", "0001_extensions")]

    def test_prints_the_default_database(self):
        first = run("migrate").out.splitlines()[0]

        name = connections["default"].settings_dict["NAME"]
        assert first == (
            f"Database: default ({name}). "
            "To choose another: --database=ecommerce|classifieds|procurement"
        )

    def test_rejects_an_app_of_another_database(self):
        outcome = run("migrate", "ecommerce", "--database=procurement")

        assert outcome == (
            "",
            "CommandError: The app ecommerce belongs to the database ecommerce, not to "
            "procurement. "
            "Use --database=ecommerce, or omit --database.\n",
            1,
        )

    @pytest.mark.parametrize("alias", ["default", *ALIASES])
    def test_check_finds_nothing_after_init_all(self, alias):
        assert run("migrate", "--check", f"--database={alias}") == ("", "", 0)
        plan = run("migrate", "--plan", f"--database={alias}").out
        assert plan == "Planned operations:\n  No planned migration operations.\n"

    def test_check_fails_while_a_migration_is_pending(self, empty):
        assert run("migrate", "--check", "--database=procurement").code == 1

    def test_plan_lists_the_apps_of_the_database(self, empty):
        plan = run("migrate", "--plan", "--database=procurement").out

        named = [line for line in plan.splitlines()[1:] if not line.startswith(" ")]
        assert named == [f"procurement.{name}" for name in all_migrations("procurement")]

    def test_runserver_finds_no_pending_migrations(self, capsys):
        from django.core.management.base import BaseCommand

        BaseCommand().check_migrations()

        assert capsys.readouterr().out == ""

    def test_permissions_of_all_apps_are_in_the_database_of_accounts(self, scratch):
        scratch("default")
        create_database("default")

        migrate("default")

        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT DISTINCT app_label FROM django_content_type")
            labels = {label for (label,) in cursor.fetchall()}
        assert set(ALIASES) <= labels
        assert {app for app, _ in recorded("default")} == CONTROL_APPS


class TestShowmigrations:
    @pytest.mark.parametrize("alias", ALIASES)
    def test_lists_the_apps_of_the_database(self, alias):
        outcome = run("showmigrations", f"--database={alias}")

        listed = "".join(f" [X] {name}\n" for name in all_migrations(alias))
        assert outcome == (f"{alias}\n{listed}", "", 0)

    def test_chooses_the_database_of_the_app(self):
        lines = run("showmigrations", "classifieds").out.splitlines()

        name = connections["classifieds"].settings_dict["NAME"]
        assert lines[0].startswith(f"Database: classifieds ({name}).")
        assert lines[2] == " [X] 0001_extensions"

    def test_rejects_apps_of_two_databases(self):
        outcome = run("showmigrations", "classifieds", "auth")

        assert "classifieds in classifieds, auth in default" in outcome.err
        assert outcome.code == 1


class TestOthers:
    def test_sqlmigrate_prints_the_sql_of_an_app_of_another_database(self):
        assert "CREATE TABLE" in run("sqlmigrate", "procurement", "0002").out

    def test_dumpdata_dumps_the_database_of_the_app(self):
        seller = factories.seller()

        assert str(seller.external_id) in run("dumpdata", "ecommerce.seller").out

    @pytest.mark.parametrize("command", [["createsuperuser"], ["changepassword", "somebody"]])
    def test_accounts_are_in_the_database_of_accounts_only(self, command):
        outcome = run(*command, "--database", "ecommerce")

        assert outcome.err.startswith(
            "CommandError: The app auth belongs to the database default, not to ecommerce."
        )

    def test_sqldiff_refers_to_db_verify(self, capsys):
        with pytest.raises(SystemExit, match="2"):
            call_command("sqldiff", "ecommerce")

        assert "Use: python manage.py db_verify --database ecommerce" in capsys.readouterr().err
