"""The check for missing files of archived months."""

import pytest
from django.test import override_settings
from django.utils import timezone

from ecommerce.models import ArchivedMonth
from ecommerce.partitions import ensure
from marketplace.doctor.diagnosis import diagnose
from marketplace.doctor.findings import Severity
from tests.ecommerce.archiving import MAY, archive, files, manifest_of

CODE = "archive-unreadable"


@pytest.fixture(autouse=True)
def _archived(_examined, tmp_path):
    """Archive a month without points, which has a manifest and no file."""
    with override_settings(ARCHIVE_DIR=tmp_path / "archive"):
        ensure("ecommerce", [MAY])
        archive(MAY)
        yield
        ArchivedMonth.objects.all().delete()


def found():
    diagnoses = diagnose(["ecommerce", "classifieds"], timezone.now(), [CODE])
    assert [diagnosis.skipped for diagnosis in diagnoses] == [[], []]
    assert "files of archived months" in diagnoses[0].examined
    return [diagnosis.findings for diagnosis in diagnoses]


def test_complete_month():
    assert files(MAY) == []
    assert found() == [[], []]


def test_missing_manifest():
    path = manifest_of(MAY)
    path.unlink()

    [finding], others = found()

    assert others == []
    assert (finding.code, finding.severity) == (CODE, Severity.CRITICAL)
    assert finding.subject == "2021-05"
    assert f"{path} cannot be read: No such file or directory." in finding.what
    assert "db_archive --verify" in finding.fix


def test_manifest_that_differs_from_the_database():
    ArchivedMonth.objects.update(row_count=7)

    [finding], _ = found()

    assert "it states 0, and the database expects 7." in finding.what
