"""Whether a database is backed up, as the doctor sees it."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from marketplace.doctor.diagnosis import examine
from marketplace.doctor.findings import Severity
from tests import factories
from tests.commands import run

CODES = ("backup-missing", "backup-old")
NOW = timezone.now()


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    """Sets of the test's own."""
    settings.BACKUP_DIR = tmp_path / "backups"
    return settings.BACKUP_DIR


@pytest.fixture
def data():
    """A database that has something to lose."""
    made = factories.load_run("procurement")
    yield
    made.delete()


def look(after, alias="procurement"):
    """Return what is found so long after now."""
    return examine(alias, NOW + after, CODES)


class TestMissing:
    def test_is_told_of_data_that_are_two_days_old(self, data, folder):
        [found] = look(timedelta(days=3)).findings

        assert (found.code, found.severity) == ("backup-missing", Severity.WARNING)
        assert found.subject == "doctor_procurement"
        assert found.what == (
            f"No set in {folder} has it, though it has data and was begun 3 days ago."
        )
        assert found.fix == "python manage.py db_backup --database procurement"

    def test_is_not_told_of_what_is_new(self, data):
        assert look(timedelta(days=1, hours=23)).findings == []

    @pytest.mark.parametrize("alias", ["default", "procurement"])
    def test_is_not_told_of_what_is_empty(self, alias):
        diagnosis = look(timedelta(days=30), alias)

        assert (diagnosis.findings, diagnosis.examined) == ([], ["backups"])

    def test_is_told_of_accounts(self):
        user = get_user_model().objects.create(username="somebody")
        try:
            [found] = look(timedelta(days=3), "default").findings
        finally:
            user.delete()

        assert found.code == "backup-missing"

    def test_a_set_of_another_database_is_none(self, data):
        assert run("db_backup", "--database", "classifieds").code == 0

        [found] = look(timedelta(days=3)).findings

        assert found.code == "backup-missing"

    def test_is_not_told_of_a_folder_that_cannot_be_read(self, data, folder):
        folder.write_text("no folder")

        diagnosis = look(timedelta(days=3))

        assert diagnosis.findings == []
        assert diagnosis.skipped == [
            f"backups: Cannot read {folder}: Not a directory. Check BACKUP_DIR."
        ]


class TestOld:
    def test_is_told_when_a_night_had_none(self, data, folder):
        assert run("db_backup", "--database", "procurement").code == 0

        [found] = look(timedelta(hours=30, minutes=30)).findings

        assert (found.code, found.severity) == ("backup-old", Severity.WARNING)
        assert found.what.startswith(f"The newest backup in {folder} is 30 hours old, of 2")
        assert found.fix == "python manage.py db_backup --database procurement"

    def test_is_not_told_of_last_nights(self, data):
        assert run("db_backup", "--database", "procurement").code == 0

        assert look(timedelta(hours=25)).findings == []
