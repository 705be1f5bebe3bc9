"""Killed backups leave complete sets only, and the next backup works.

The times are random with a fixed seed. The environment variable BACKUP_KILLS is the number of
killed backups in `make soak`.
"""

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from marketplace.backups import sets
from marketplace.backups.verify import verify
from tests import factories
from tests.marketplace.backups.conftest import start
from tests.marketplace.stage import wait
from tests.repetitions import short_and_long

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


@pytest.fixture
def _rows():
    """Rows, so that pg_dump runs for a while."""
    for _ in range(50):
        factories.lot_item()
        factories.listing()


def _backup_seconds(command):
    started = time.monotonic()
    process = start(*command)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    return time.monotonic() - started


class TestKills:
    @pytest.mark.usefixtures("_rows")
    @pytest.mark.parametrize("kills", short_and_long(3, 20, "BACKUP_KILLS"))
    def test_no_incomplete_set_is_listed(self, folder, kills):
        command = ["db_backup"]
        usual = _backup_seconds(command)
        generator = random.Random("backups")
        for number in range(kills):
            sign = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)[number % 3]
            left = set(folder.glob(".unfinished-*"))
            process = start(*command)
            try:
                output, _ = process.communicate(timeout=generator.uniform(0.1, 1) * usual)
            except subprocess.TimeoutExpired:
                process.send_signal(sign)
                output, _ = process.communicate(timeout=60)

            # All listed sets are complete, and there is at least one.
            problems = {name: verify(name).problems for name in sets.names()}
            assert problems
            assert set(problems.values()) == {()}, (number, problems)
            if sign != signal.SIGKILL:
                # A backup that ended early may not have removed the files of an earlier one.
                assert set(folder.glob(".unfinished-*")) <= left, (number, output)

        last = sets.names()[0]
        _backup_seconds(command)

        assert sets.names()[0] > last
        assert {path.name for path in folder.iterdir()} == {*sets.names(), ".lock"}

    def test_pg_dump_ends_with_the_command(self, tmp_path, monkeypatch):
        # A pg_dump that runs for a long time.
        program, noted = tmp_path / "pg_dump", tmp_path / "pid"
        program.write_text(
            "#!/bin/sh\n"
            "[ $1 = --version ] && echo 'pg_dump (PostgreSQL) 99.0' && exit\n"
            "case $* in *nonexistent*) exit;; esac\n"
            f"echo $$ > {noted}\n"
            "exec sleep 100\n"
        )
        program.chmod(0o755)
        monkeypatch.setenv("POSTGRES_BIN", str(tmp_path))
        process = start("db_backup", "--database", "procurement")
        wait(lambda: noted.exists() and noted.read_text(), "nothing is dumped")

        process.kill()
        process.communicate(timeout=30)

        wait(lambda: not _is_running(int(noted.read_text())), "pg_dump is still running")


def _is_running(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
