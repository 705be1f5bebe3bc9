"""Full disks: found early, without the server, and with few privileges."""

import shutil
import tempfile
from pathlib import Path

import pytest
from django.db import connections
from django.utils import timezone

from marketplace.doctor import size_history, storage
from marketplace.doctor.checks import CheckContext
from marketplace.doctor.diagnosis import diagnose
from marketplace.doctor.findings import Severity
from marketplace.exceptions import EmbeddedServerError
from marketplace.postgresql import embedded, reserve

SHM = Path("/dev/shm")


def disks(*aliases):
    """Return the findings about disks of all databases."""
    diagnoses = diagnose(aliases, timezone.now(), ["disk-full", "reserve-missing"])
    return [finding for diagnosis in diagnoses for finding in diagnosis.findings]


@pytest.fixture
def use(monkeypatch):
    """Simulate that a share of each disk is in use."""
    usage = shutil.disk_usage("/")

    def use(share):
        free = round(usage.total * (1 - share))
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=free))

    return use


@pytest.fixture
def _embedded(monkeypatch, settings, tmp_path):
    """Use an embedded server that does not exist and cannot be started."""
    settings.DATA_DIR = tmp_path
    for alias in ("ecommerce", "procurement"):
        connections[alias].close()
        monkeypatch.setitem(connections[alias].settings_dict, "HOST", "")


@pytest.mark.usefixtures("_embedded")
class TestWithoutServer:
    @pytest.mark.parametrize(
        ("share", "severity"), [(0.86, Severity.WARNING), (0.93, Severity.CRITICAL)]
    )
    def test_full_disk(self, use, monkeypatch, share, severity):
        use(share)
        monkeypatch.setattr(embedded, "start", self.refuse)

        unreachable, disk, *others = disks("ecommerce", "procurement")

        assert unreachable.code == others[0].code == "database-unreachable"
        assert (disk.code, disk.severity, len(others)) == ("disk-full", severity, 1)
        assert f"{share:.0%} are in use" in disk.what
        assert "db_stop --release-reserve" in disk.fix

    def refuse(self, *arguments):
        raise EmbeddedServerError("it does not start")


@pytest.fixture
def _reader(execute, monkeypatch):
    """Connect as a role that may connect to one database only."""
    execute(
        "procurement",
        "CREATE ROLE test_disk_reader LOGIN",
        "GRANT CONNECT ON DATABASE doctor_procurement TO test_disk_reader",
    )
    connections["procurement"].close()
    with monkeypatch.context() as patch:
        patch.setitem(connections["procurement"].settings_dict, "USER", "test_disk_reader")
        yield
    execute("procurement", "DROP OWNED BY test_disk_reader", "DROP ROLE test_disk_reader")


@pytest.mark.usefixtures("_reader")
class TestPart:
    def test_full_disk_is_found_by_the_size_of_one_database(self, settings):
        settings.DISK_CAPACITY = {"procurement": 1024}

        [disk] = disks("procurement")

        assert disk.subject == "disk, counting this database alone"
        assert disk.severity is Severity.CRITICAL

    def test_missing_privilege_is_reported(self):
        [diagnosis] = diagnose(["procurement"], timezone.now(), ["disk-full"])

        assert diagnosis.findings == []
        assert any("grant it pg_monitor" in note for note in diagnosis.insufficient_data)


class TestSocketFolder:
    """The test server is reached by the folder of its socket."""

    def test_full_disk_of_the_server(self, use, settings):
        settings.DISK_CAPACITY = {}
        use(0.93)

        [disk] = disks("procurement")

        assert (disk.subject, disk.severity) == ("disk", Severity.CRITICAL)

    def test_full_disk_without_the_server(self, use, settings, monkeypatch, tmp_path):
        settings.DISK_CAPACITY = {}
        connections["procurement"].close()
        monkeypatch.setitem(connections["procurement"].settings_dict, "HOST", str(tmp_path))
        use(0.93)

        unreachable, disk = disks("procurement")

        assert unreachable.code == "database-unreachable"
        assert (disk.subject, disk.severity) == (f"disk of {tmp_path}", Severity.CRITICAL)
        assert "Disk full" in disk.fix

    def test_disk_capacity_takes_precedence(self, use, settings):
        settings.DISK_CAPACITY = {"": 1024**5}
        use(0.93)

        assert disks("procurement") == []

    def test_server_of_another_machine(self, settings):
        settings.DISK_CAPACITY = {}

        disk = size_history.disk_of("procurement", 10, "/nonexistent/data")

        assert disk == (None, None)


class TestOtherDisks:
    @pytest.mark.skipif(
        not SHM.exists() or SHM.stat().st_dev == Path(tempfile.gettempdir()).stat().st_dev,
        reason="There is only one file system.",
    )
    def test_full_disk_of_the_archive(self, use, settings, tmp_path):
        settings.BACKUP_DIR, settings.ARCHIVE_DIR = tmp_path, SHM
        use(0.9)

        [disk] = [finding for finding in disks("procurement") if finding.subject != "disk"]

        assert (disk.subject, disk.severity) == ("disk of ARCHIVE_DIR", Severity.WARNING)


@pytest.mark.usefixtures("_embedded")
def test_released_reserve_is_reported(settings, tmp_path):
    settings.EMBEDDED_RESERVE = 4096
    context = CheckContext("procurement", timezone.now(), {})

    [finding] = storage._reserve(context)

    assert finding.code == "reserve-missing"
    assert finding.what == "The reserve of 4.0 kB for a full disk is missing."
    reserve.ensure(tmp_path, 4096)
    assert list(storage._reserve(context)) == []
