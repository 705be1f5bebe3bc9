"""Paths of archive files and their manifests, and checks of the files.

    <ARCHIVE_DIR>/price_history/platform=uzum/month=2025-06/points-3f2a90c1-5d0be1a47c22.parquet
    <ARCHIVE_DIR>/price_history/manifests/2025-06-00000a3c3f2a90c1.json

The manifest of a month is written last, by an atomic rename. Files that are in no manifest are
leftovers. The names contain a hash of the content, so that archiving a month again does not
overwrite its earlier files.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import xxhash
from django.conf import settings

from marketplace.exceptions import ArchiveError
from marketplace.postgresql.locks import lock_file

#: The version of the format of files and manifests.
SCHEMA_VERSION = 1

_BLOCK = 1 << 20


@dataclass(frozen=True)
class ArchivedFile:
    """A Parquet file of a month.

    :param path: relative to `root()`
    :param xxh3_128: a hash of the bytes that is fast enough to be checked before each reading
    """

    path: str
    platform: str
    rows: int
    bytes: int
    sha256: str
    xxh3_128: str


@dataclass(frozen=True)
class ArchiveManifest:
    """The description of an archived month: its rows and files.

    :param content_hash: of the values of all rows, in any order; see `ecommerce.archive.content`
    :param offers_hash: of the offers that the rows refer to: id, platform and external id
    :param columns: name → type in the files
    """

    schema_version: int
    table: str
    month: str
    written_at: str
    rows: int
    min_recorded_at: str | None
    max_recorded_at: str | None
    content_hash: str
    offers_hash: str
    sorted_by: list[str]
    columns: dict[str, str]
    files: list[ArchivedFile]


def root() -> Path:
    """Return the folder of the price history's archive."""
    return Path(settings.ARCHIVE_DIR) / "price_history"


def file_path(platform: str, month: date, content_hash: str, sha256: str) -> str:
    """Return the path of a platform's points in a month, relative to `root()`.

    :param content_hash: the hash of all rows of the month
    :param sha256: of the file
    """
    name = f"points-{content_hash[-8:]}-{sha256[:12]}.parquet"
    return f"platform={platform}/month={month:%Y-%m}/{name}"


_FULL = "Free some space, or set ARCHIVE_DIR to another disk; then run this again."
_BLOCKED = "There is a file instead of a folder, or a folder instead of a file. Move it elsewhere."
_DENIED = "Give this user write permission, or set ARCHIVE_DIR to a writable folder."

#: Error number → the next step in an error message.
_STEPS = dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _FULL) | dict.fromkeys(
    (errno.ENOTDIR, errno.EISDIR, errno.EEXIST), _BLOCKED
)


@contextmanager
def explain_write_errors() -> Iterator[None]:
    """Turn errors of the archive's disk into errors with a reason and a next step.

    :raises ArchiveError: if the block raises an OSError
    """
    try:
        yield
    except OSError as error:
        raise ArchiveError(
            f"{error.filename or root()} cannot be written: {error.strerror or error}. "
            f"{_STEPS.get(error.errno or 0, _DENIED)}"
        ) from error


@contextmanager
def exclusive_lock() -> Iterator[Path]:
    """Hold the lock of the archive; yield an empty folder in it for unfinished files.

    Files left by a killed process are removed.

    :raises ArchiveError: if the archive cannot be written, or another process holds the lock
    """
    work = root() / ".partial"
    with explain_write_errors():
        root().mkdir(parents=True, exist_ok=True)
        file = open(root() / ".lock", "a")  # noqa: SIM115 # closed below
    with file:
        if not lock_file(file):
            raise ArchiveError(
                f"Another process is writing to {root()}. Wait for it to end, and run this again."
            )
        try:
            with explain_write_errors():
                _clear(work)
                work.mkdir()
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _clear(path: Path) -> None:
    """Remove a file, a link, or a folder with its content."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Flush a file or folder to the disk, and drop the file from the page cache.

    The next reading then comes from the disk.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        if path.is_file():
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def describe(path: Path, platform: str, month: date, content_hash: str, rows: int) -> ArchivedFile:
    """Return the entry of a file in the manifest, with its final path.

    :param content_hash: the hash of all rows of the month
    """
    sha256, fast = hashlib.sha256(), xxhash.xxh3_128()
    for block in _blocks(path):
        sha256.update(block)
        fast.update(block)
    digest, size = sha256.hexdigest(), path.stat().st_size
    relative = file_path(platform, month, content_hash, digest)
    return ArchivedFile(relative, platform, rows, size, digest, fast.hexdigest())


def check(file: ArchivedFile) -> None:
    """Compare a file with its entry in the manifest, by SHA-256.

    :raises ArchiveError: if it is missing or was changed
    """
    path = root() / file.path
    check_size(file)
    digest = hashlib.sha256()
    for block in _blocks(path):
        digest.update(block)
    if digest.hexdigest() != file.sha256:
        raise _damaged(path, "its SHA-256 is not that of the manifest")


#: Path → status of the file when it was checked: a file is only read again if its status changed.
_checked: dict[Path, tuple[Any, ...]] = {}


def check_fast(files: Iterable[ArchivedFile]) -> list[Path]:
    """Compare files with their manifests, unless this process has done so; return their paths.

    :raises ArchiveError: if one is missing or was changed
    """
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return list(pool.map(_check_fast, files))


def _check_fast(file: ArchivedFile) -> Path:
    path = root() / file.path
    stat = check_size(file)
    status = (stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, file.xxh3_128)
    if _checked.get(path) != status:
        digest = xxhash.xxh3_128()
        for block in _blocks(path):
            digest.update(block)
        if digest.hexdigest() != file.xxh3_128:
            raise _damaged(path, "its content was changed")
        _checked[path] = status
    return path


def forget_checks() -> None:
    """Forget which files were checked, so that all are checked again."""
    _checked.clear()


def check_size(file: ArchivedFile) -> os.stat_result:
    """Check that a file exists and has the size in its manifest.

    :raises ArchiveError: if not
    """
    path = root() / file.path
    try:
        stat = path.stat()
    except OSError as error:
        raise _damaged(path, f"it cannot be read: {error.strerror}") from error
    if stat.st_size != file.bytes:
        raise _damaged(path, f"it has {stat.st_size:,} bytes instead of {file.bytes:,}")
    return stat


def _damaged(path: Path, reason: str) -> ArchiveError:
    return ArchiveError(
        f"{path} is missing, damaged or not readable: {reason}. Correct its permissions, or copy "
        "it from a backup of the archive."
    )


def _blocks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                yield block
    except OSError as error:
        raise _damaged(path, f"it cannot be read: {error.strerror}") from error


def month_of(text: str) -> date:
    """Return the first day of a month in the format 2025-06.

    :raises ValueError: if the text has another format
    """
    return datetime.strptime(text, "%Y-%m").date()
