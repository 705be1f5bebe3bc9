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
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder

from marketplace.backups import files
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

# What reading a text that is no manifest may raise.
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


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


# The manifest


def read(name: str) -> Manifest:
    """Return what a set says of itself.

    :raises BackupError: if it has no manifest, or one that was changed or is not of this project
    """
    path = path_of(name) / MANIFEST
    try:
        document = _document(path.read_bytes().decode())
    except FileNotFoundError:
        raise BackupError(f"{path} is missing: the set is not complete.") from None
    except OSError as error:
        raise BackupError(f"Cannot read {path}: {error.strerror}.") from error
    except _MALFORMED:
        document = None
    if document is None:
        raise BackupError(f"{path} was changed or is damaged: its SHA-256 does not fit.")
    told, project, form = (document.get(key) for key in ("name", "project", "form"))
    if (told, project, form) != (name, PROJECT, FORM):
        raise BackupError(
            f"{path} is of the set {told} of {project}, in form {form}: it is not the set {name} "
            "that this code can read."
        )
    try:
        return _manifest(document)
    except _MALFORMED as error:
        raise BackupError(
            f"{path} says what no backup writes, though its SHA-256 fits: {error!r}. Use another "
            "set, and move this one away."
        ) from None


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


def _document(text: str) -> dict[str, Any] | None:
    """Return what a manifest says, without its hash; nothing if that does not fit."""
    document: dict[str, Any] = json.loads(text)
    digest = document.pop("sha256")
    is_whole = text == _encoded({"sha256": digest} | document) and digest == _digest(document)
    return document if is_whole else None


def _manifest(document: dict[str, Any]) -> Manifest:
    return Manifest(
        document["name"],
        _moment(document["created_at"]),
        _moment(document["finished_at"]),
        {alias: _dump(value) for alias, value in document["databases"].items()},
        dict(document["failed"]),
    )


def _dump(value: dict[str, Any]) -> Dump:
    told = {path: File(**file) for path, file in value["files"].items()}
    dump = Dump(**value | {"files": told, "started_at": _moment(value["started_at"])})
    # Adding up fails if one of them is no number.
    if min(dump.bytes, dump.rows, dump.size_bytes) < 0:
        raise ValueError("a number below 0")
    return dump


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment


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
    path = path_of(name) / MANIFEST
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise BackupError(f"Cannot read {path}: {error.strerror}.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        # It may have been removed between opening and locking.
        path_of(name)
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
        with open(path / MANIFEST, "rb") as file:
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


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
