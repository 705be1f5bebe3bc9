"""The check for missing and old backups."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from marketplace.doctor.diagnosis import diagnose_database
from marketplace.doctor.findings import Severity
from tests import factories
from tests.commands import run

CODES = ("backup-missing", "backup-old")
NOW = timezone.now()


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    """An empty folder for sets."""
    settings.BACKUP_DIR = tmp_path / "backups"
    return settings.BACKUP_DIR


@pytest.fixture
def data():
    """A database with a row."""
    made = factories.load_run("procurement")
    yield
    made.delete()


def check(after, alias="procurement"):
    """Return the diagnosis at a later time."""
    return diagnose_database(alias, NOW + after, CODES)


class TestMissing:
    def test_database_older_than_two_days(self, data, folder):
        [found] = check(timedelta(days=3)).findings

        assert (found.code, found.severity) == ("backup-missing", Severity.WARNING)
        assert found.subject == "doctor_procurement"
        assert found.what == (
            f"No backup set in {folder} contains it, although it has data and was created 3 days "
            "ago."
        )
        assert found.fix == "python manage.py db_backup --database procurement"

    def test_new_database(self, data):
        assert check(timedelta(days=1, hours=23)).findings == []

    @pytest.mark.parametrize("alias", ["default", "procurement"])
    def test_empty_database(self, alias):
        diagnosis = check(timedelta(days=30), alias)

        assert (diagnosis.findings, diagnosis.examined) == ([], ["backups"])

    def test_database_with_accounts(self):
        user = get_user_model().objects.create(username="somebody")
        try:
            [found] = check(timedelta(days=3), "default").findings
        finally:
            user.delete()

        assert found.code == "backup-missing"

    def test_set_of_another_database(self, data):
        assert run("db_backup", "--database", "classifieds").code == 0

        [found] = check(timedelta(days=3)).findings

        assert found.code == "backup-missing"

    def test_folder_that_cannot_be_read(self, data, folder):
        folder.write_text("no folder")

        diagnosis = check(timedelta(days=3))

        assert diagnosis.findings == []
        assert diagnosis.skipped == [
            f"backups: Cannot read {folder}: Not a directory. Check BACKUP_DIR."
        ]


class TestOld:
    def test_backup_older_than_a_day(self, data, folder):
        assert run("db_backup", "--database", "procurement").code == 0

        [found] = check(timedelta(hours=30, minutes=30)).findings

        assert (found.code, found.severity) == ("backup-old", Severity.WARNING)
        assert found.what.startswith(f"The newest backup in {folder} is 30 hours old (2")
        assert found.fix == "python manage.py db_backup --database procurement"

    def test_backup_of_the_last_night(self, data):
        assert run("db_backup", "--database", "procurement").code == 0

        assert check(timedelta(hours=25)).findings == []
