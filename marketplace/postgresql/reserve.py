"""The reserve: a file that keeps room for the embedded server, which cannot start on a full disk.

The file is beside the server's data, allocated in full. Once it is removed the server can start,
and more room can be made. Everything here works while no server runs.
"""

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

from marketplace.exceptions import DiskFullError
from marketplace.humanize import file_size

#: Bytes that a server needs to start after a crash: files of its log, and a checkpoint.
START_ROOM = 64 * 1024 * 1024

#: Bytes without which it is not worth trying.
_LEAST_ROOM = 1024 * 1024

#: Errors of a disk, or a quota of one, that is full.
FULL = (errno.ENOSPC, errno.EDQUOT)


def path_of(data_dir: Path) -> Path:
    """Return where the reserve is."""
    return data_dir / "postgres.reserve"


def ensure(data_dir: Path, size: int) -> bool:
    """Make the reserve if there is room for it; return whether it exists.

    There is room if the same size stays free beside it.

    :param size: bytes; 0 removes the reserve
    """
    path = path_of(data_dir)
    if not size:
        release(data_dir)
        return False
    held = path.stat().st_size if path.exists() else 0
    if held < size and free(data_dir) + held < 2 * size:
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
    """Remove the reserve; return how many bytes that gave back."""
    path = path_of(data_dir)
    try:
        held = path.stat().st_blocks * 512
        path.unlink()
    except FileNotFoundError:
        return 0
    return held


def free(data_dir: Path) -> int:
    """Return how many bytes are free on the disk."""
    return shutil.disk_usage(data_dir).free


def is_full(data_dir: Path) -> bool:
    """Return whether the disk lacks the room that a server needs to start."""
    return free(data_dir) < START_ROOM


def is_exhausted(data_dir: Path) -> bool:
    """Return whether hardly anything can be written: a server need not be tried."""
    return free(data_dir) < _LEAST_ROOM


def disk_full_error(data_dir: Path) -> DiskFullError:
    """Return the error about a full disk, with how to make room while no server runs."""
    disk = shutil.disk_usage(data_dir)
    path = path_of(data_dir)
    if path.exists():
        step = (
            f"Give up the reserve of {file_size(path.stat().st_size)}: "
            "python manage.py db_stop --release-reserve. Then make room."
        )
    else:
        step = (
            "Remove or move files that the server does not need, such as old backup sets, but none "
            f"in {data_dir / 'postgres'}."
        )
    return DiskFullError(
        f"The disk of {data_dir} is full: {file_size(disk.free)} of {file_size(disk.total)} are "
        f"free, and the embedded PostgreSQL needs about {file_size(START_ROOM)} to start. {step} "
        'All steps: docs/operations.md, "Disk full".'
    )
