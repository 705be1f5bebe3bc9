"""Backup sets: their folders, names and manifests, and the locks for writing and removing them.

A set is a folder of BACKUP_DIR, named by its start time (UTC). It contains a folder for each
database, written by `pg_dump --format=directory`, and `manifest.json`, which is written last. The
name of a set that is being written or removed starts with a dot.
"""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings

from marketplace.backups import files, manifests, signing
from marketplace.backups.manifests import MANIFEST, BackupManifest
from marketplace.exceptions import BackupError
from marketplace.postgresql.locks import lock_file

#: Bytes that backups and restores leave free on a disk: a full disk would stop the server that
#: stores its data there, and with it the live databases.
RESERVE = 256 * 1024 * 1024

#: Characters of the lock file that an error message quotes.
_QUOTED = 200

_NAME = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ")
_NAME_FORMAT = "%Y-%m-%dT%H-%M-%SZ"

# Prefixes of a set's name while the set is written, and while it is removed.
_UNFINISHED = ".unfinished-"
_REMOVED = ".removed-"


# Names and folders


def folder() -> Path:
    """Return the folder of all sets."""
    return Path(settings.BACKUP_DIR)


def path_of(name: str) -> Path:
    """Return the folder of a set.

    :raises BackupError: if the name is not a valid name of a set, or if the set does not exist
    """
    if not _NAME.fullmatch(name):
        raise BackupError(
            f"{name!r} is not the name of a set, such as 2026-06-01T03-00-00Z. "
            "See them: python manage.py db_backup --list."
        )
    path = folder() / name
    if os.path.isdir(path):
        return path
    if exists(name):
        raise BackupError(
            f"{path} is not a set: it is not a folder, or cannot be entered. Move it out of "
            "BACKUP_DIR."
        )
    raise BackupError(
        f"The set {name} does not exist in {folder()}. "
        "List the sets: python manage.py db_backup --list."
    )


def exists(name: str) -> bool:
    """Return whether the folder of sets has an entry of this name."""
    return os.path.lexists(folder() / name)


def names() -> list[str]:
    """Return the names of all sets, the newest first; an empty list if the folder is missing."""
    try:
        set_names = [path.name for path in folder().iterdir() if _NAME.fullmatch(path.name)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BackupError(f"Cannot read {folder()}: {error.strerror}. Check BACKUP_DIR.") from error
    return sorted(set_names, reverse=True)


def free_name(time: datetime) -> str:
    """Return the name of a set that starts at a time; if it is taken, the next free name."""
    while exists(format_name(time)):
        time += timedelta(seconds=1)
    return format_name(time)


def format_name(time: datetime) -> str:
    """Return a time in the format of a set's name: 2026-06-01T03-00-00Z."""
    return time.astimezone(UTC).strftime(_NAME_FORMAT)


def start_time(name: str) -> datetime:
    """Return the time in the name of a set."""
    return datetime.strptime(name, _NAME_FORMAT).replace(tzinfo=UTC)


def readable() -> Iterator[tuple[str, BackupManifest]]:
    """Yield the name and manifest of each set that has an intact manifest, the newest first."""
    for name in names():
        try:
            yield name, read(name)
        except BackupError:
            continue


def last_backup_at(alias: str | None = None) -> datetime | None:
    """Return the time of the newest dump; None if there is none. Raises nothing.

    This is fast: it only reads manifests, from the newest set to the first one with the database.

    :param alias: the database; None for any database
    """
    try:
        for _, manifest in readable():
            dumps = manifest.databases
            matching = [dump for key, dump in dumps.items() if alias in (None, key)]
            if matching:
                return max(dump.started_at for dump in matching)
    except (BackupError, OSError):
        pass
    return None


# Writing, reading and removing


def read(name: str) -> BackupManifest:
    """Return the manifest of a set.

    :raises BackupError: if the set has no manifest, or if the manifest was changed or belongs to
        another project
    """
    return manifests.read(path_of(name), name)


def read_trusted(name: str, *, is_unsigned_allowed: bool) -> tuple[BackupManifest, str]:
    """Return the manifest of a set with a valid signature, and a warning about it, or "".

    :param is_unsigned_allowed: whether to accept an unsigned set although a key is set
    :raises BackupError: as `read` and `signing.require_valid` do
    """
    manifest = read(name)
    note = signing.require_valid(name, manifest.signature, is_unsigned_allowed=is_unsigned_allowed)
    return manifest, note


@contextmanager
def exclusive_lock() -> Iterator[None]:
    """Hold the lock for writing and removing sets.

    The operating system releases the lock when the process ends.

    :raises BackupError: if another process holds the lock, or the folder cannot be written
    """
    path = folder() / ".lock"
    try:
        folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise not_writable(error) from error
    with os.fdopen(descriptor, "r+") as file:
        if not lock_file(file):
            raise BackupError(
                f"Another backup is running in {folder()}: {file.read(_QUOTED).strip()}. "
                "Wait for it to end, or end it."
            )
        file.truncate(0)
        now = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
        file.write(f"process {os.getpid()} on {socket.gethostname()}, since {now}")
        file.flush()
        yield


@contextmanager
def shared_lock(name: str) -> Iterator[None]:
    """Hold a lock that keeps a set from being removed.

    :raises BackupError: if the set does not exist or is incomplete
    """
    path = path_of(name) / MANIFEST
    try:
        file = files.open_regular(path)
    except OSError as error:
        raise BackupError(f"Cannot read {path}: {error.strerror}.") from error
    with file:
        lock_file(file, is_shared=True, waits=True)
        # The set may have been removed between opening and locking.
        path_of(name)
        yield


@contextmanager
def unfinished(name: str) -> Iterator[Path]:
    """Yield a folder to write a set into. It is renamed to the set if the block succeeds.

    The caller must hold `exclusive_lock`.
    """
    path = folder() / f"{_UNFINISHED}{name}"
    try:
        path.mkdir(mode=0o700)
        yield path
        files.sync(path)
        path.rename(folder() / name)
        files.sync_folder(folder())
    except OSError as error:
        raise not_writable(error) from error
    finally:
        # The next backup reports leftovers that cannot be removed.
        files.remove_tree(path)


def remove(name: str) -> bool:
    """Remove a set, unless it is in use; return whether it was removed.

    A rename makes it disappear at once for other processes. The caller must hold `exclusive_lock`.

    :raises BackupError: if the set cannot be removed completely
    """
    path, hidden = path_of(name), folder() / f"{_REMOVED}{name}"
    try:
        with files.open_regular(path / MANIFEST) as file:
            if not lock_file(file):
                return False
            path.rename(hidden)
    except OSError as error:
        raise BackupError(
            f"{path} cannot be removed: {error.strerror}. Remove it by hand."
        ) from error
    if left := files.remove_tree(hidden):
        raise BackupError(left)
    return True


def remove_leftovers() -> list[str]:
    """Remove the files of interrupted runs; return the problems, as sentences.

    The caller must hold `exclusive_lock`, so that no other process works on these files.
    """
    left = [*folder().glob(f"{_UNFINISHED}*"), *folder().glob(f"{_REMOVED}*")]
    return [problem for path in sorted(left) if (problem := files.remove_tree(path))]


def not_writable(error: OSError) -> BackupError:
    """Return the error for a folder that cannot be written."""
    return BackupError(
        f"Cannot write {error.filename or folder()}: {error.strerror}. Set BACKUP_DIR to a "
        "writable folder on a disk with free space."
    )
