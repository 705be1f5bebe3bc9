"""Backup sets: where they are, what they say of themselves, and who may write or remove one.

A set is a folder of BACKUP_DIR, named by the time (UTC) at which it was begun. It has a folder for
each database, as `pg_dump --format=directory` writes it, and `manifest.json`, which is written
last. Whatever is being written, or removed, has a name that starts with a dot.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder

from marketplace.backups.facts import Facts
from marketplace.exceptions import BackupError

MANIFEST = "manifest.json"

#: The mark of this project in a manifest, and the version of its form.
PROJECT = "marketplace"
FORM = 1

#: Bytes that backups and restores leave free on a disk. One that gets full stops the server that
#: lives on it, and with it the live databases.
RESERVE = 256 * 1024 * 1024

_NAME = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ")
_NAME_FORMAT = "%Y-%m-%dT%H-%M-%SZ"

# What a set's name is put behind while it is written, and while it is removed.
_UNFINISHED = ".unfinished-"
_REMOVED = ".removed-"

# How often a folder is tried to be removed, and the seconds between.
_ATTEMPTS = 50
_PAUSE = 0.05


class File(NamedTuple):
    """A file of a dump."""

    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Dump(Facts):
    """One database of a set: what it was in the moment of its snapshot, and the files."""

    #: The moment of the snapshot, by the server's clock.
    started_at: datetime
    seconds: float
    #: Version of pg_dump.
    client: str
    #: As pg_dump's option names it: "gzip:2".
    compression: str
    #: Path below the database's folder → what it must be.
    files: dict[str, File]

    @property
    def bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files.values())

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(self.tables.values())


@dataclass(frozen=True)
class Manifest:
    """What a set says of itself."""

    name: str
    created_at: datetime
    finished_at: datetime
    #: Alias → its dump.
    databases: dict[str, Dump]
    #: Alias → why it is not in the set.
    failed: dict[str, str]

    @property
    def bytes(self) -> int:
        """Bytes of all dumps."""
        return sum(dump.bytes for dump in self.databases.values())


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
    if not path.is_dir():
        raise BackupError(
            f"There is no set {name} in {folder()}. See them: python manage.py db_backup --list."
        )
    return path


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
    while (folder() / stamp(moment)).exists():
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


# The manifest


def read(name: str) -> Manifest:
    """Return what a set says of itself.

    :raises BackupError: if it has no manifest, or one that was changed or is not of this project
    """
    path = path_of(name) / MANIFEST
    try:
        text = path.read_bytes().decode()
        document = json.loads(text)
        digest = document.pop("sha256")
        is_whole = text == _encoded({"sha256": digest} | document) and digest == _digest(document)
    except FileNotFoundError:
        raise BackupError(f"{path} is missing: the set is not complete.") from None
    except OSError as error:
        raise BackupError(f"Cannot read {path}: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError):
        is_whole = False
    if not is_whole:
        raise BackupError(f"{path} was changed or is damaged: its SHA-256 does not fit.")
    if (document["project"], document["form"]) != (PROJECT, FORM) or document["name"] != name:
        raise BackupError(
            f"{path} is of the set {document['name']} of {document['project']}, in form "
            f"{document['form']}: it is not the set {name} that this code can read."
        )
    return _manifest(document)


def write(manifest: Manifest, path: Path) -> None:
    """Write the manifest into a set's folder, and see that it is on the disk."""
    document = {"project": PROJECT, "form": FORM, **asdict(manifest)}
    for dump in document["databases"].values():
        dump["files"] = {key: File(*file)._asdict() for key, file in dump["files"].items()}
    # As a reader gets it: times become texts.
    document = json.loads(_encoded(document))
    with open(path / MANIFEST, "w", encoding="utf-8", opener=_private) as file:
        file.write(_encoded({"sha256": _digest(document)} | document))
        file.flush()
        os.fsync(file.fileno())


def _manifest(document: dict[str, Any]) -> Manifest:
    return Manifest(
        document["name"],
        datetime.fromisoformat(document["created_at"]),
        datetime.fromisoformat(document["finished_at"]),
        {alias: _dump(value) for alias, value in document["databases"].items()},
        document["failed"],
    )


def _dump(value: dict[str, Any]) -> Dump:
    files = {path: File(**file) for path, file in value["files"].items()}
    started_at = datetime.fromisoformat(value["started_at"])
    return Dump(**value | {"files": files, "started_at": started_at})


def _encoded(document: dict[str, Any]) -> str:
    return json.dumps(document, cls=DjangoJSONEncoder, ensure_ascii=False, indent=1) + "\n"


def _digest(document: dict[str, Any]) -> str:
    return hashlib.sha256(_encoded(document).encode()).hexdigest()


# Writing, reading and removing


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
                f"Another backup is at work in {folder()}: {file.read().strip()}. "
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
    try:
        descriptor = os.open(path_of(name) / MANIFEST, os.O_RDONLY)
    except OSError as error:
        raise BackupError(f"Cannot read {error.filename}: {error.strerror}.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def unfinished(name: str) -> Iterator[Path]:
    """Give a folder to write a set into, which becomes the set in one moment if all goes well.

    To be called by who is `exclusive`.
    """
    path = folder() / f"{_UNFINISHED}{name}"
    try:
        path.mkdir(mode=0o700)
        yield path
        sync(path)
        path.rename(folder() / name)
        sync_folder(folder())
    except OSError as error:
        raise not_writable(error) from error
    finally:
        _clear(path)


def remove(name: str) -> bool:
    """Remove a set, in one moment as others see it; return whether nobody was using it.

    To be called by who is `exclusive`.
    """
    path, hidden = path_of(name), folder() / f"{_REMOVED}{name}"
    with open(path / MANIFEST, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        path.rename(hidden)
    _clear(hidden)
    return True


def remove_leftovers() -> list[str]:
    """Remove what interrupted runs left; return the names.

    To be called by who is `exclusive`: then nobody is at work on them.
    """
    left = [*folder().glob(f"{_UNFINISHED}*"), *folder().glob(f"{_REMOVED}*")]
    for path in left:
        _clear(path)
    return [path.name for path in left]


def sync(path: Path) -> None:
    """See that the folders' entries are on the disk; pg_dump does it for the files."""
    for each in (path, *filter(Path.is_dir, path.rglob("*"))):
        sync_folder(each)


def sync_folder(path: Path) -> None:
    """See that a folder's entries are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def not_writable(error: OSError) -> BackupError:
    """Return the error of a folder that cannot be written."""
    return BackupError(
        f"Cannot write {error.filename or folder()}: {error.strerror}. Set BACKUP_DIR to a folder "
        "that can be written, on a disk with room."
    )


def files_of(path: Path) -> dict[str, Path]:
    """Return all files below a folder, by their path in it."""
    found: Iterable[Path] = path.rglob("*")
    return {str(each.relative_to(path)): each for each in sorted(found) if not each.is_dir()}


def digest_of(path: Path) -> str:
    """Return a file's SHA-256."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _clear(path: Path) -> None:
    # Processes of pg_dump that were told to end may still write for a moment.
    for _ in range(_ATTEMPTS):
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            return
        time.sleep(_PAUSE)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
