"""The peak memory of a load: of the loader's processes, and of these with their backends."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections

from marketplace.databases.names import database_name
from marketplace.exceptions import MarketplaceError
from marketplace.registry import CONTROL, get_platform

#: Seconds between two samples.
_INTERVAL = 0.2

_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE datname = %(name)s"


def load(platform: str, path: Path, *arguments: str) -> dict[str, Any]:
    """Load a file with the command `ingest`, and return its measurements.

    Memory is the proportional set size, which divides shared memory between the processes.

    :return: records, seconds, bytes of the file, and the peak memory in bytes: of the processes of
        the loader (`peak_bytes`), and with their backends (`peak_with_server_bytes`)
    :raises MarketplaceError: if the command fails
    """
    command = [sys.executable, "manage.py", "ingest", platform, str(path), "--format", "json"]
    started = time.perf_counter()
    process = subprocess.Popen(
        [*command, *arguments],
        cwd=settings.BASE_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    peak, peak_with_server = _watch(process, get_platform(platform).database)
    seconds = time.perf_counter() - started
    out, error = process.communicate()
    if process.returncode:
        raise MarketplaceError(f"ingest {path.name} failed: {error.strip()}")
    return {
        "records": json.loads(out)["read"],
        "seconds": round(seconds, 2),
        "file_bytes": path.stat().st_size,
        "peak_bytes": peak,
        "peak_with_server_bytes": peak_with_server,
    }


def _watch(process: subprocess.Popen[str], alias: str) -> tuple[int, int]:
    """Return the peak memory of a process and its children, without and with their backends."""
    peak = peak_with_server = 0
    while process.poll() is None:
        memory = sum(map(_proportional, _family(process.pid)))
        peak = max(peak, memory)
        peak_with_server = max(peak_with_server, memory + sum(map(_proportional, _backends(alias))))
        time.sleep(_INTERVAL)
    return peak, peak_with_server


def _backends(alias: str) -> list[int]:
    with connections[CONTROL].cursor() as cursor:
        cursor.execute(_BACKENDS, {"name": database_name(alias)})
        return [pid for (pid,) in cursor.fetchall()]


def _family(pid: int) -> list[int]:
    """Return the ids of a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            children.setdefault(_parent(int(entry)), []).append(int(entry))
    family = [pid]
    for member in family:
        family.extend(children.get(member, []))
    return family


def _parent(pid: int) -> int:
    try:
        # The name before these fields is in parentheses, and may contain any character.
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _proportional(pid: int) -> int:
    """Return the proportional set size of a process in bytes; 0 if it has ended."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return 0
    return 0
