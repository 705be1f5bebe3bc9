"""Backup sets: where they are, what they say of themselves, and who may write or remove one.

A set is a folder of BACKUP_DIR, named by the time (UTC) at which it was begun. It has a folder for
each database, as `pg_dump --format=directory` writes it, and `manifest.json`, which is written
last. Whatever is being written, or removed, has a name that starts with a dot.
"""

import fcntl
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings

from marketplace.backups import files, manifests
from marketplace.backups.manifests import MANIFEST, Manifest
from marketplace.exceptions import BackupError

#: Bytes that backups and restores leave free on a disk. One that gets full stops the server that
#: lives on it, and with it the live databases.
RESERVE = 256 * 1024 * 1024

#: Characters of the lock file that a message quotes.
_QUOTED = 200

_NAME = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ")
_NAME_FORMAT = "%Y-%m-%dT%H-%M-%SZ"

# What a set's name is put behind while it is written, and while it is removed.
_UNFINISHED = ".unfinished-"
_REMOVED = ".removed-"


# Names and folders


def folder() -> Path:
    """Return the folder of all sets."""
    return Path(settings.BACKUP_DIR)


def path_of(name: str) -> Path:
    """Return the folder of a set.

    :raises BackupError: if the name cannot be one of a set, or there is none of that name
    """
    if not _NAME.fullmatch(name):
        raise BackupError(
            f"{name!r} is not the name of a set, such as 2026-06-01T03-00-00Z. "
            "See them: python manage.py db_backup --list."
        )
    path = folder() / name
    if os.path.isdir(path):
        return path
    if is_there(name):
        raise BackupError(
            f"{path} is no folder, or one that cannot be entered: it is not a set. Move it away."
        )
    raise BackupError(
        f"There is no set {name} in {folder()}. See them: python manage.py db_backup --list."
    )


def is_there(name: str) -> bool:
    """Return whether something of this name is in the folder of sets."""
    return os.path.lexists(folder() / name)


def names() -> list[str]:
    """Return the names of all sets, the newest first; none if there is no folder yet."""
    try:
        found = [path.name for path in folder().iterdir() if _NAME.fullmatch(path.name)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BackupError(f"Cannot read {folder()}: {error.strerror}. Check BACKUP_DIR.") from error
    return sorted(found, reverse=True)


def free_name(moment: datetime) -> str:
    """Return the name of a set that is begun at a moment, or the next one that is free."""
    while is_there(stamp(moment)):
        moment += timedelta(seconds=1)
    return stamp(moment)


def stamp(moment: datetime) -> str:
    """Return a time in the form of a set's name: 2026-06-01T03-00-00Z."""
    return moment.astimezone(UTC).strftime(_NAME_FORMAT)


def moment_of(name: str) -> datetime:
    """Return the time in a set's name."""
    return datetime.strptime(name, _NAME_FORMAT).replace(tzinfo=UTC)


def readable() -> Iterator[tuple[str, Manifest]]:
    """Yield name and manifest of the sets that have one that can be trusted, the newest first."""
    for name in names():
        try:
            yield name, read(name)
        except BackupError:
            continue


def last_backup_at(alias: str | None = None) -> datetime | None:
    """Return of when the newest dump is, of one database or of any. Raises nothing.

    It reads manifests only, and of the newest sets only, so that it is fast.
    """
    try:
        for _, manifest in readable():
            dumps = manifest.databases
            chosen = [dump for key, dump in dumps.items() if alias in (None, key)]
            if chosen:
                return max(dump.started_at for dump in chosen)
    except (BackupError, OSError):
        pass
    return None


# Writing, reading and removing


def read(name: str) -> Manifest:
    """Return what a set says of itself.

    :raises BackupError: if it has no manifest, or one that was changed or is not of this project
    """
    return manifests.read(path_of(name), name)


@contextmanager
def exclusive() -> Iterator[None]:
    """Be the only process that writes or removes sets.

    The lock ends with the process, however it ends.

    :raises BackupError: if another process is, or the folder cannot be written
    """
    path = folder() / ".lock"
    try:
        folder().mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise not_writable(error) from error
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError(
                f"Another backup is at work in {folder()}: {file.read(_QUOTED).strip()}. "
                "Wait for it to end, or end it."
            ) from None
        file.truncate(0)
        now = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
        file.write(f"process {os.getpid()} on {socket.gethostname()}, since {now}")
        file.flush()
        yield


@contextmanager
def in_use(name: str) -> Iterator[None]:
    """Keep a set from being removed meanwhile.

    :raises BackupError: if it is not there, or incomplete
    """
    path = path_of(name) / MANIFEST
    try:
        file = files.open_regular(path)
    except OSError as error:
        raise BackupError(f"Cannot read {path}: {error.strerror}.") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_SH)
        # It may have been removed between opening and locking.
        path_of(name)
        yield


@contextmanager
def unfinished(name: str) -> Iterator[Path]:
    """Give a folder to write a set into, which becomes the set in one moment if all goes well.

    To be called by who is `exclusive`.
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
        # What cannot be removed, the next backup names.
        files.clear(path)


def remove(name: str) -> bool:
    """Remove a set, in one moment as others see it; return whether nobody was using it.

    To be called by who is `exclusive`.

    :raises BackupError: if it cannot be removed, or not all of it
    """
    path, hidden = path_of(name), folder() / f"{_REMOVED}{name}"
    try:
        with files.open_regular(path / MANIFEST) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.rename(hidden)
    except BlockingIOError:
        return False
    except OSError as error:
        raise BackupError(
            f"{path} cannot be removed: {error.strerror}. Remove it by hand."
        ) from error
    if left := files.clear(hidden):
        raise BackupError(left)
    return True


def remove_leftovers() -> list[str]:
    """Remove what earlier runs left; return what cannot be removed and why, as sentences.

    To be called by who is `exclusive`: then nobody is at work on them.
    """
    left = [*folder().glob(f"{_UNFINISHED}*"), *folder().glob(f"{_REMOVED}*")]
    return [problem for path in sorted(left) if (problem := files.clear(path))]


def not_writable(error: OSError) -> BackupError:
    """Return the error of a folder that cannot be written."""
    return BackupError(
        f"Cannot write {error.filename or folder()}: {error.strerror}. Set BACKUP_DIR to a folder "
        "that can be written, on a disk with room."
    )
