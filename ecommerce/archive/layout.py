"""Where the files of archived months are, and what says that they are whole.

    <ARCHIVE_DIR>/price_history/platform=uzum/month=2025-06/points-3f2a90c1-5d0be1a47c22.parquet
    <ARCHIVE_DIR>/price_history/manifests/2025-06-00000a3c3f2a90c1.json

A month's manifest is written last, in one moment. Files that no manifest names are leftovers. No
file takes the place of one with another content: an older archive of a month stays as it was.
"""

import errno
import fcntl
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

#: Of the files' columns and of the manifest.
SCHEMA_VERSION = 1

_BLOCK = 1 << 20


@dataclass(frozen=True)
class ArchivedFile:
    """A Parquet file of a month.

    :param path: relative to `root()`
    :param xxh3_128: like `sha256` a hash of its bytes, which is fast enough for each reading
    """

    path: str
    platform: str
    rows: int
    bytes: int
    sha256: str
    xxh3_128: str


@dataclass(frozen=True)
class ArchiveManifest:
    """What an archived month consists of.

    :param content_hash: of the values of all rows, in any order; see `ecommerce.archive.content`
    :param offers_hash: of the offers that the rows are about: id, platform and external id
    :param columns: name → type, as in the files
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
    """Return where the points of a platform and month are, relative to `root()`.

    :param content_hash: of the rows of the whole month
    :param sha256: of the file
    """
    name = f"points-{content_hash[-8:]}-{sha256[:12]}.parquet"
    return f"platform={platform}/month={month:%Y-%m}/{name}"


_FULL = "Free some room, or set ARCHIVE_DIR to another disk; then run this again."
_BLOCKED = "A file is where a folder belongs, or the other way round: move it away."
_DENIED = "Let this user write it, or set ARCHIVE_DIR to a folder that can be written."

_STEPS = dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _FULL) | dict.fromkeys(
    (errno.ENOTDIR, errno.EISDIR, errno.EEXIST), _BLOCKED
)


@contextmanager
def explain_write_errors() -> Iterator[None]:
    """Say of an error of the archive's disk what it is and what to do.

    :raises ArchiveError: if there is one within
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
    """Hold the archive for oneself; yield an empty folder in it for what is being written.

    What a process left there that was killed is removed.

    :raises ArchiveError: if the archive cannot be written, or another process holds it
    """
    work = root() / ".partial"
    with explain_write_errors():
        root().mkdir(parents=True, exist_ok=True)
        descriptor = os.open(root() / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ArchiveError(
                f"Another process is writing to {root()}. Wait for it to end, and run this again."
            ) from None
        with explain_write_errors():
            _clear(work)
            work.mkdir()
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
        os.close(descriptor)


def _clear(path: Path) -> None:
    """Remove whatever is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have the disk hold a file or folder, and the next reading come from the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        if path.is_file():
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def describe(path: Path, platform: str, month: date, content_hash: str, rows: int) -> ArchivedFile:
    """Return a file as a manifest names it, where it belongs.

    :param content_hash: of the rows of the whole month
    """
    sha256, fast = hashlib.sha256(), xxhash.xxh3_128()
    for block in _blocks(path):
        sha256.update(block)
        fast.update(block)
    digest, size = sha256.hexdigest(), path.stat().st_size
    relative = file_path(platform, month, content_hash, digest)
    return ArchivedFile(relative, platform, rows, size, digest, fast.hexdigest())


def check(file: ArchivedFile) -> None:
    """Compare a file with its manifest, by SHA-256.

    :raises ArchiveError: if it is absent, or another than was written
    """
    path = root() / file.path
    check_size(file)
    digest = hashlib.sha256()
    for block in _blocks(path):
        digest.update(block)
    if digest.hexdigest() != file.sha256:
        raise _damaged(path, "its SHA-256 is not that of the manifest")


#: Path → what was checked of it already: it is read again only if it has changed since.
_checked: dict[Path, tuple[Any, ...]] = {}


def check_fast(files: Iterable[ArchivedFile]) -> list[Path]:
    """Compare files with their manifests before they are read, once in a process; return paths.

    :raises ArchiveError: if one is absent, or another than was written
    """
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return list(pool.map(_check_fast, files))


def _check_fast(file: ArchivedFile) -> Path:
    path = root() / file.path
    stat = check_size(file)
    seen = (stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, file.xxh3_128)
    if _checked.get(path) != seen:
        digest = xxhash.xxh3_128()
        for block in _blocks(path):
            digest.update(block)
        if digest.hexdigest() != file.xxh3_128:
            raise _damaged(path, "its content is not what was written")
        _checked[path] = seen
    return path


def forget_checks() -> None:
    """Check every file again before it is read."""
    _checked.clear()


def check_size(file: ArchivedFile) -> os.stat_result:
    """Look whether a file is there, and as large as its manifest says.

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
        f"{path} is not what was archived: {reason}. Copy it back from a backup of the archive."
    )


def _blocks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                yield block
    except OSError as error:
        raise _damaged(path, f"it cannot be read: {error.strerror}") from error


def month_of(text: str) -> date:
    """Return the first day of a month that is written as 2025-06.

    :raises ValueError: if it is written otherwise
    """
    return datetime.strptime(text, "%Y-%m").date()
