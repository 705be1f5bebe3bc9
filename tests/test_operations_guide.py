"""The guide of operations: every command in it runs, from top to bottom, on demo data."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GUIDE = ROOT / "docs" / "operations.md"

#: What needs servers or programs that are not here.
ELSEWHERE = ("docker compose", "pgbackrest")


def blocks():
    """Return the commands of the guide: heading and text of each block."""
    found, heading = [], ""
    for part in re.split(r"^(## .*|```\n[\s\S]*?^```)$", GUIDE.read_text(), flags=re.MULTILINE):
        if part.startswith("## "):
            heading = part[3:]
        elif part.startswith("```"):
            found.append((heading, part.strip("`\n")))
    return found


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """Run commands as a person would who has the demo data before them."""
    # Under the tests' own folder: the server runs as another user, who must be able to enter.
    data_dir = tmp_path_factory.mktemp("guide")
    disk = shutil.disk_usage(data_dir)
    if disk.free < disk.total * 0.15:
        pytest.skip("The disk is nearly full, so that db_doctor rightly exits with an error.")
    settings = {"DJANGO_SETTINGS_MODULE": "", "SECRET_KEY": "", "DB_HOST": "", "ARCHIVE_DIR": ""}
    environment = os.environ | settings | {"BACKUP_DIR": "", "DATA_DIR": str(data_dir)}
    environment |= {
        "EMBEDDED_POSTGRES_CONF": "",
        "EMBEDDED_RESERVE": "16MB",
        # PostgreSQL's own programs, and the way to the server, are what the guide says.
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    for name in ("DJANGO_SETTINGS_MODULE", "PGHOST", "PGUSER"):
        environment.pop(name, None)

    def run(commands):
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands.replace(".data", str(data_dir))],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    prepared = run("python manage.py demo")
    assert prepared.returncode == 0, prepared.stderr
    yield run
    run("python manage.py db_stop; DATA_DIR=.data/second python manage.py db_stop")


@pytest.mark.timeout(900)
def test_every_command_runs(shell):
    told, found = "", blocks()
    for heading, commands in found:
        if any(each in commands for each in ELSEWHERE):
            continue
        kept = re.search(r"^SET=.*$", commands, flags=re.MULTILINE)
        done = shell(f"{told}\n{commands}")
        assert done.returncode == 0, f"{heading}\n{commands}\n{done.stdout}\n{done.stderr}"
        # What a person's shell remembers.
        told = kept[0] if kept else told
    assert len(found) > 25
