from contextlib import contextmanager

import pytest
from django.core.management import call_command
from django.db import connections

from marketplace.databases import revisions
from marketplace.databases.creation import create_database
from marketplace.databases.revisions import (
    Revision,
    all_migrations,
    get_compatible_revision,
    get_revision,
    migrate,
    rollback,
)
from marketplace.exceptions import MarketplaceError
from marketplace.monitoring.status import get_status
from tests.commands import run

pytestmark = pytest.mark.django_db(databases=["default", "classifieds"], transaction=True)


@pytest.fixture
def migrated(scratch):
    """Return the names of the migrations of a migrated database."""
    scratch("classifieds")
    create_database("classifieds")
    return migrate("classifieds")


@contextmanager
def other_session(statement):
    """Open another session with a transaction that has run a statement."""
    connection = connections["classifieds"].copy()
    connection.set_autocommit(False)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
        yield
    finally:
        connection.rollback()
        connection.close()


class TestGetRevision:
    def test_is_head_when_all_are_applied(self, migrated):
        assert get_revision("classifieds") == Revision("head", (), ())

    def test_lists_pending_ones(self, migrated):
        rollback("classifieds", 2)

        assert get_revision("classifieds") == Revision(migrated[-3], tuple(migrated[-2:]), ())

    def test_is_none_before_the_first(self, scratch):
        scratch("classifieds")
        create_database("classifieds")

        assert get_revision("classifieds") == Revision("none", all_migrations("classifieds"), ())

    def test_lists_the_own_app_only(self, migrated):
        with connections["classifieds"].cursor() as cursor:
            cursor.execute(
                "INSERT INTO django_migrations (app, name, applied) VALUES "
                "('procurement', '0099_of_another', now()), ('classifieds', '0099_newer', now())"
            )

        assert get_revision("classifieds") == Revision("head", (), ("0099_newer",))

    def test_includes_the_apps_of_the_control_database(self):
        assert get_revision("default").current == "head"
        assert "auth.0001_initial" in all_migrations("default")


class TestMigrate:
    def test_applies_and_records_the_own_app_only(self, migrated):
        with connections["classifieds"].cursor() as cursor:
            cursor.execute("SELECT app, name FROM django_migrations ORDER BY id")
            recorded = cursor.fetchall()

        assert recorded == [("classifieds", name) for name in migrated]
        assert tuple(migrated) == all_migrations("classifieds")

    def test_applies_nothing_the_second_time(self, migrated):
        assert migrate("classifieds") == []

    def test_waits_for_the_lock_with_a_limit(self, migrated, monkeypatch):
        monkeypatch.setattr(revisions, "MIGRATION_LOCK_TIMEOUT", 0.3)
        lock = "SELECT pg_advisory_lock(hashtextextended('marketplace migrations', 0))"

        with other_session(lock), pytest.raises(MarketplaceError, match="by another process"):
            migrate("classifieds")

        assert migrate("classifieds") == []


class TestCompatibility:
    """A database with other migrations than the code's is refused, and nothing is changed."""

    MESSAGE = (
        "The database scratch_classifieds was created by another version of this project, with "
        "migrations that do not exist in this one (0002_old and 1 other). To keep its data, use "
        "the version that created it. To delete its data and create it again: "
    )

    @pytest.fixture
    def incompatible(self, migrated):
        with connections["classifieds"].cursor() as cursor:
            cursor.execute("DELETE FROM django_migrations WHERE name > '0002'")
            cursor.execute(
                "INSERT INTO django_migrations (app, name, applied) VALUES "
                "('classifieds', '0002_old', now()), ('classifieds', '0003_older', now())"
            )

    @pytest.mark.parametrize(
        "command",
        [
            ("init_all", "--database", "classifieds"),
            ("init_all", "--dry-run", "--database", "classifieds"),
            ("db_migrate", "--database", "classifieds"),
            ("db_migrate", "--dry-run", "--database", "classifieds"),
            ("db_verify", "--database", "classifieds"),
        ],
    )
    def test_commands_refuse_other_migrations(self, incompatible, command):
        outcome = run(*command)

        assert (outcome.out, outcome.code) == ("", 1)
        assert outcome.err.startswith(f"CLASSIFIEDS: {self.MESSAGE}")

    def test_status_is_an_error(self, incompatible):
        status = get_status("classifieds")

        assert (status.is_connected, status.revision) == (True, "")
        assert status.error.startswith(self.MESSAGE)

    def test_next_step_replaces_this_database_only(self, incompatible):
        with pytest.raises(MarketplaceError) as error:
            get_compatible_revision("classifieds")

        step = "python manage.py init_all --drop-first --database classifieds"
        assert str(error.value).endswith(step)

    def test_django_command_refuses_other_migrations(self, incompatible):
        with pytest.raises(MarketplaceError, match="0002_old and 1 other"):
            call_command("migrate", "classifieds", database="classifieds", verbosity=0)

    def test_database_ahead_of_the_code_is_compatible(self, migrated):
        with connections["classifieds"].cursor() as cursor:
            cursor.execute(
                "INSERT INTO django_migrations (app, name, applied) "
                "VALUES ('classifieds', '0099_newer', now())"
            )

        assert migrate("classifieds") == []


class TestRollback:
    def test_undoes_the_last_ones(self, migrated):
        change = rollback("classifieds", 2)

        assert change == (tuple(reversed(migrated[-2:])), migrated[-3])

    def test_undoes_all(self, migrated):
        change = rollback("classifieds", len(migrated))

        assert change == (tuple(reversed(migrated)), "none")
        assert get_revision("classifieds").current == "none"

    def test_dry_run_undoes_nothing(self, migrated):
        change = rollback("classifieds", 1, dry_run=True)

        assert change == ((migrated[-1],), migrated[-2])
        assert get_revision("classifieds").current == "head"

    @pytest.mark.parametrize("steps", [0, -1, 99])
    def test_rejects_more_than_are_applied(self, migrated, steps):
        with pytest.raises(MarketplaceError, match=f"Cannot undo {steps} migrations"):
            rollback("classifieds", steps)

    def test_rejects_unknown_migrations(self, migrated):
        with connections["classifieds"].cursor() as cursor:
            cursor.execute(
                "INSERT INTO django_migrations (app, name, applied) "
                "VALUES ('classifieds', '0099_newer', now())"
            )

        with pytest.raises(MarketplaceError, match="0099_newer"):
            rollback("classifieds", 1)

    def test_fails_if_a_table_stays_locked(self, migrated, monkeypatch):
        monkeypatch.setattr(revisions, "LOCK_TIMEOUT", 1)
        # Later migrations do not change its tables.
        rollback("classifieds", migrated[::-1].index("0003_loading"))

        with (
            other_session("SELECT * FROM classifieds_load_runs"),
            pytest.raises(MarketplaceError, match="A table is in use"),
        ):
            rollback("classifieds", 1)

        assert get_revision("classifieds").current == "0003_loading"
