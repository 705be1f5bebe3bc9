"""The scheduler and its command."""

import signal
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from marketplace import schedule
from marketplace.schedule import Job, ScheduleError, Scheduler, read_schedule
from tests.commands import run
from tests.marketplace.commands.test_serve import wait_for

TASHKENT = ZoneInfo("Asia/Tashkent")


@pytest.fixture
def write(tmp_path):
    def write(*lines):
        path = tmp_path / "schedule"
        path.write_text("\n".join([*lines, ""]))
        return path

    return write


class TestRead:
    def test_reads_times_and_commands(self, write):
        path = write("# nightly", "", "0 2 * * *   check --deploy   # all of them", "@")
        path.write_text(path.read_text().replace("@\n", ""))

        assert read_schedule(path) == [Job("0 2 * * *", ("check", "--deploy"))]

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("61 2 * * * check", "'61 2 * * *' is not a valid time"),
            ("0 2 * * check", "'0 2 * * check' is not a valid time"),
            ("0 2 * * *", "the command after the five time fields is missing"),
            ("0 2 * * * no_such_command", "unknown command no_such_command"),
            ("0 2 31 2 * check", "'0 2 31 2 *' is not a valid time"),
            ("0 2 * * * check 'all of it", "no closing quotation: close the quote"),
            ("0 2 * * * check \\", "no escaped character: "),
        ],
    )
    def test_reports_an_invalid_line(self, write, line, reason):
        with pytest.raises(ScheduleError) as error:
            read_schedule(write("# first", line))

        assert f"schedule:2: {reason}" in str(error.value)

    def test_reports_a_file_in_another_encoding(self, tmp_path):
        path = tmp_path / "schedule"
        path.write_bytes("# по ночам\n0 2 * * * check\n".encode("cp1251"))

        with pytest.raises(ScheduleError, match=r"schedule: not UTF-8.*Save it as UTF-8"):
            read_schedule(path)

    def test_accepts_a_byte_order_mark(self, tmp_path):
        path = tmp_path / "schedule"
        path.write_text("0 2 * * * check\n", encoding="utf-8-sig")

        assert read_schedule(path) == [Job("0 2 * * *", ("check",))]

    def test_reports_a_missing_file(self, tmp_path):
        with pytest.raises(ScheduleError, match="No such file"):
            read_schedule(tmp_path / "absent")


class TestJob:
    def test_is_due_in_local_time(self):
        night = datetime(2026, 11, 22, 23, 0, tzinfo=TASHKENT)

        due = Job("0 2 * * mon", ("check",)).next_after(night)

        assert due == datetime(2026, 11, 23, 2, 0, tzinfo=TASHKENT)


class Process:
    """A process that runs until a test sets its exit code."""

    started = []

    def __init__(self, command, **options):
        self.command, self.code = command, None
        self.started.append(self)

    def poll(self):
        return self.code


@pytest.fixture
def processes(monkeypatch):
    monkeypatch.setattr(Process, "started", [])
    monkeypatch.setattr(schedule.subprocess, "Popen", Process)
    return Process.started


class TestScheduler:
    def make(self, lines):
        return Scheduler([Job("* * * * *", ("check", "--deploy"))], lines.append)

    def test_runs_a_due_job_once(self, processes):
        scheduler, now = self.make([]), timezone.localtime()

        scheduler._start_due(now)
        scheduler._start_due(now.replace(year=now.year + 1))
        scheduler._start_due(now.replace(year=now.year + 1))

        assert [process.command[-2:] for process in processes] == [["check", "--deploy"]]

    def test_skips_a_running_job_and_reports_its_end(self, processes):
        lines = []
        scheduler, now = self.make(lines), timezone.localtime()

        scheduler._start_due(now.replace(year=now.year + 1))
        scheduler._start_due(now.replace(year=now.year + 2))
        processes[0].code = 3
        scheduler._collect_ended()
        scheduler._start_due(now.replace(year=now.year + 3))

        assert len(processes) == 2
        assert lines[:2] == [
            "Started check --deploy.",
            "Skipped check --deploy: it is still running.",
        ]
        assert lines[2].startswith("Failed check --deploy: exit code 3")


class TestRunSchedule:
    def test_dry_run_prints_the_next_times(self, write):
        outcome = run("run_schedule", str(write("0 2 * * * check")), "--dry-run")

        assert outcome.out.startswith("Would run at 20")
        assert outcome.out.endswith("02:00 +05: check\n")
        assert outcome.code == 0

    def test_rejects_an_invalid_file(self, write):
        outcome = run("run_schedule", str(write("0 2 * * *")))

        assert outcome.code == 1
        assert "the command after the five time fields is missing" in outcome.err

    def test_ends_at_sigterm(self, machine, write):
        process = machine.start("run_schedule", str(write("0 2 * * * check")))
        wait_for(process, "Will run")

        process.send_signal(signal.SIGTERM)

        process.communicate(timeout=30)
        assert process.returncode == 0
