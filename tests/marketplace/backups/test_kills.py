"""Backups that are killed: a set is whole, or it is not there, and the next backup works.

The moments are drawn from a seed. BACKUP_KILLS=20 in the environment makes it so many.
"""

import os
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

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

KILLS = int(os.environ.get("BACKUP_KILLS", "5"))


@pytest.fixture
def _rows():
    """Enough to dump for pg_dump to be at work for a while."""
    for _ in range(50):
        factories.lot_item()
        factories.listing()


def _backup_seconds(command):
    began = time.monotonic()
    process = start(*command)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    return time.monotonic() - began


class TestKills:
    @pytest.mark.usefixtures("_rows")
    def test_leave_nothing_that_looks_complete(self, folder):
        command = ["db_backup"]
        usual = _backup_seconds(command)
        generator = random.Random("backups")
        for number in range(KILLS):
            sign = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)[number % 3]
            left = set(folder.glob(".unfinished-*"))
            process = start(*command)
            try:
                output, _ = process.communicate(timeout=generator.uniform(0.1, 1) * usual)
            except subprocess.TimeoutExpired:
                process.send_signal(sign)
                output, _ = process.communicate(timeout=60)

            # What is there is whole, and there is always one.
            found = {name: verify(name).problems for name in sets.names()}
            assert found
            assert set(found.values()) == {()}, (number, found)
            if sign != signal.SIGKILL:
                # One that ended early may not have come to what an earlier one left.
                assert set(folder.glob(".unfinished-*")) <= left, (number, output)

        last = sets.names()[0]
        _backup_seconds(command)

        assert sets.names()[0] > last
        assert {path.name for path in folder.iterdir()} == {*sets.names(), ".lock"}

    def test_leave_no_program_at_work(self, tmp_path, monkeypatch):
        # A pg_dump that has much to do.
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

        wait(lambda: not _is_running(int(noted.read_text())), "pg_dump goes on alone")


def _is_running(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
