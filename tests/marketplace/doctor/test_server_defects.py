"""Defects of servers: settings, archiving, disks, transaction ids, no answer."""

from datetime import timedelta

from django.db import connections
from django.utils import timezone

from marketplace.doctor.diagnosis import diagnose
from marketplace.doctor.findings import Severity
from marketplace.doctor.size_history import record_sizes
from marketplace.registry import ALIASES

from .defects import findings_of, is_only, wait_for_setting, wait_until


class TestServer:
    def test_dangerous_setting_of_the_server_is_reported_once(self, execute):
        execute("ecommerce", "ALTER SYSTEM SET full_page_writes = off", "SELECT pg_reload_conf()")
        wait_for_setting(execute, "full_page_writes", "off")
        try:
            findings = findings_of("setting-full-page-writes")
        finally:
            execute("ecommerce", "ALTER SYSTEM RESET full_page_writes", "SELECT pg_reload_conf()")
            wait_for_setting(execute, "full_page_writes", "on")

        assert is_only(ALIASES[0], findings)
        assert findings[ALIASES[0]][0].is_of_server
        assert findings[ALIASES[0]][0].severity is Severity.CRITICAL

    def test_failing_archive_command(self, execute):
        assert not any(findings_of("archive-failing").values())
        execute(
            "ecommerce", "ALTER SYSTEM SET archive_command = 'false'", "SELECT pg_reload_conf()"
        )
        wait_for_setting(execute, "archive_command", "false")
        execute("ecommerce", "CREATE TABLE seeded.narrow (id int)", "SELECT pg_switch_wal()")
        wait_until(execute, "SELECT FROM pg_stat_archiver WHERE failed_count > 0")
        try:
            findings = findings_of("archive-failing")
        finally:
            execute(
                "ecommerce", "ALTER SYSTEM SET archive_command = 'true'", "SELECT pg_reload_conf()"
            )
            wait_for_setting(execute, "archive_command", "true")
            execute("ecommerce", "SELECT pg_stat_reset_shared('archiver')")

        assert is_only(ALIASES[0], findings)

    def test_full_disk(self, execute, settings):
        settings.DISK_CAPACITY = {"procurement": 1024}

        findings = findings_of("disk-full")

        assert is_only("procurement", findings)
        assert findings["procurement"][0].evidence["free"] == 0

    def test_disk_that_becomes_full(self, execute, settings):
        now = timezone.now()
        for days in (2, 1, 0):
            # The daily growth fills the disk within a month.
            execute(
                "procurement",
                "CREATE TABLE IF NOT EXISTS seeded.wide (text text)",
                "INSERT INTO seeded.wide SELECT repeat('x', 900) FROM generate_series(1, 9000)",
            )
            used = record_sizes("procurement", now - timedelta(days=days)).used
        settings.DISK_CAPACITY = {"procurement": used + 90_000_000}

        findings = diagnose(["procurement"], now, ["disk-full"])[0]

        assert 3 < findings.sizes.days_to_full < 15
        assert findings.sizes.database.per_day > 5_000_000

    def test_unreachable_database_does_not_affect_others(self, monkeypatch):
        monkeypatch.setitem(connections["classifieds"].settings_dict, "NAME", "absent")

        findings = findings_of("database-unreachable", timezone.now())

        assert is_only("classifieds", findings)
        assert findings["classifieds"][0].severity is Severity.CRITICAL
        assert "does not exist" in findings["classifieds"][0].what
