"""The reserve: a file that reserves disk space for starting the embedded server.

PostgreSQL cannot start on a full disk. The file, next to the server's data, is allocated in full.
After its removal the server can start, and the user can free more space. Nothing here needs a
running server.
"""

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

from marketplace.exceptions import DiskFullError
from marketplace.humanize import file_size

#: Bytes that a server needs to start after a crash: write-ahead log files and a checkpoint.
START_SPACE = 64 * 1024 * 1024

#: Bytes below which a start is not even attempted.
_MIN_SPACE = 1024 * 1024

#: Error numbers of a full disk or an exceeded quota.
DISK_FULL_ERRNOS = (errno.ENOSPC, errno.EDQUOT)


def path_of(data_dir: Path) -> Path:
    """Return the path of the reserve."""
    return data_dir / "postgres.reserve"


def ensure(data_dir: Path, size: int) -> bool:
    """Create the reserve, or adjust its size; return whether it exists.

    It is created only if the same number of bytes remains free afterwards.

    :param size: bytes; 0 removes the reserve
    """
    path = path_of(data_dir)
    if not size:
        release(data_dir)
        return False
    held = path.stat().st_size if path.exists() else 0
    if held < size and free_bytes(data_dir) + held < 2 * size:
        return held > 0
    try:
        _allocate(path, size)
    except OSError:
        with suppress(OSError):
            path.unlink()
        return False
    return True


def _allocate(path: Path, size: int) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.ftruncate(descriptor, min(size, os.fstat(descriptor).st_size))
        os.posix_fallocate(descriptor, 0, size)
    finally:
        os.close(descriptor)


def release(data_dir: Path) -> int:
    """Remove the reserve; return the number of released bytes."""
    path = path_of(data_dir)
    try:
        held = path.stat().st_blocks * 512
        path.unlink()
    except FileNotFoundError:
        return 0
    return held


def free_bytes(data_dir: Path) -> int:
    """Return the number of free bytes on the disk."""
    return shutil.disk_usage(data_dir).free


def is_full(data_dir: Path) -> bool:
    """Return whether the disk has less free space than a server needs to start."""
    return free_bytes(data_dir) < START_SPACE


def is_exhausted(data_dir: Path) -> bool:
    """Return whether the disk has so little space that a start is pointless."""
    return free_bytes(data_dir) < _MIN_SPACE


def disk_full_error(data_dir: Path) -> DiskFullError:
    """Return an error about the full disk, with steps that do not need a running server."""
    disk = shutil.disk_usage(data_dir)
    path = path_of(data_dir)
    if path.exists():
        step = (
            f"Release the reserve of {file_size(path.stat().st_size)}: "
            "python manage.py db_stop --release-reserve. Then free more space."
        )
    else:
        step = (
            "Remove or move files that the server does not need, such as old backup sets, but none "
            f"in {data_dir / 'postgres'}."
        )
    return DiskFullError(
        f"The disk of {data_dir} is full: {file_size(disk.free)} of {file_size(disk.total)} are "
        f"free, and the embedded PostgreSQL needs about {file_size(START_SPACE)} to start. {step} "
        'All steps: docs/operations.md, "Disk full".'
    )
