"""The description of a backup set: `manifest.json` in its folder."""

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from django.core.serializers.json import DjangoJSONEncoder

from marketplace.backups import files, signing
from marketplace.backups.content import Facts
from marketplace.backups.signing import Signature
from marketplace.exceptions import BackupError

MANIFEST = "manifest.json"

#: The mark of this project in a manifest, and the version of its form.
PROJECT = "marketplace"
FORM = 1

#: Bytes that a manifest has at most. One of 10,000 tables has less than 3 MB.
MAX_BYTES = 8 * 1024 * 1024

# Where a manifest has its signature, which its own hash covers, too.
_SIGNATURE = "hmac_sha256"

# Names of databases and of pg_dump's files: none of them leads out of the set's folder.
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")

# Errors of reading a text that is not a manifest.
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
    """The description of a set."""

    name: str
    created_at: datetime
    finished_at: datetime
    #: Alias → its dump.
    databases: dict[str, Dump]
    #: Alias → why it is not in the set.
    failed: dict[str, str]
    #: The result of checking its signature when it was read.
    signature: Signature = Signature.UNSIGNED

    @property
    def bytes(self) -> int:
        """Bytes of all dumps."""
        return sum(dump.bytes for dump in self.databases.values())


def read(folder: Path, name: str) -> Manifest:
    """Return the description of a set.

    Its signature is examined, but not refused: `signing.check` does that.

    :param folder: of the set
    :raises BackupError: if it has no manifest, or one that was changed or is not of this project
    """
    path = folder / MANIFEST
    try:
        with files.open_regular(path) as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise BackupError(
                f"{path} has more than {MAX_BYTES >> 20} MiB, the limit of a manifest. Use another "
                "set, and move this one away."
            )
        document = _document(content.decode())
    except FileNotFoundError:
        raise BackupError(f"{path} is missing: the set is not complete.") from None
    except OSError as error:
        raise BackupError(f"Cannot read {path}: {error.strerror}.") from error
    except _MALFORMED:
        document = None
    if document is None:
        raise BackupError(f"{path} was changed or is damaged: its SHA-256 does not fit.")
    stated, project, form = (document.get(key) for key in ("name", "project", "form"))
    if (stated, project, form) != (name, PROJECT, FORM):
        raise BackupError(
            f"{path} is of the set {stated} of {project}, in form {form}: it is not the set {name} "
            "that this code can read."
        )
    try:
        signature = signing.examine(document, document.pop(_SIGNATURE, None))
        return _manifest(document, signature)
    except _MALFORMED as error:
        raise BackupError(
            f"{path} has a value that is not valid, though its SHA-256 fits: {error!r}. Use "
            "another set, and move this one away."
        ) from None


def write(manifest: Manifest, folder: Path) -> None:
    """Write the manifest into a set's folder, signed if there is a key, and sync it."""
    document = {"project": PROJECT, "form": FORM, **asdict(manifest)}
    del document["signature"]
    for dump in document["databases"].values():
        dump["files"] = {key: File(*file)._asdict() for key, file in dump["files"].items()}
    # As a reader gets it: times become texts.
    document = json.loads(_encoded(document))
    if signature := signing.sign(document):
        document = {_SIGNATURE: signature} | document
    content = _encoded({"sha256": _digest(document)} | document).encode()
    if len(content) > MAX_BYTES:
        raise BackupError(
            f"The manifest of {manifest.name} would have {len(content):,} bytes, more than the "
            f"limit of {MAX_BYTES >> 20} MiB. Back up fewer databases in one set (--database)."
        )
    with open(folder / MANIFEST, "wb", opener=_private) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _document(text: str) -> dict[str, Any] | None:
    """Return the content of a manifest without its hash; None if that does not fit."""
    document: dict[str, Any] = json.loads(text)
    digest = document.pop("sha256")
    is_whole = text == _encoded({"sha256": digest} | document) and digest == _digest(document)
    return document if is_whole else None


def _manifest(document: dict[str, Any], signature: Signature) -> Manifest:
    return Manifest(
        document["name"],
        _moment(document["created_at"]),
        _moment(document["finished_at"]),
        {_plain(alias): _dump(value) for alias, value in document["databases"].items()},
        dict(document["failed"]),
        signature,
    )


def _dump(value: dict[str, Any]) -> Dump:
    paths = {_plain(path): File(**file) for path, file in value["files"].items()}
    dump = Dump(**value | {"files": paths, "started_at": _moment(value["started_at"])})
    # Adding up fails if one of them is not a number.
    if min(dump.bytes, dump.rows, dump.size_bytes) < 0:
        raise ValueError("a number below 0")
    return dump


def _plain(name: str) -> str:
    if not _PLAIN.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a file or folder of a set")
    return name


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment


def _encoded(document: dict[str, Any]) -> str:
    return json.dumps(document, cls=DjangoJSONEncoder, ensure_ascii=False, indent=1) + "\n"


def _digest(document: dict[str, Any]) -> str:
    return hashlib.sha256(_encoded(document).encode()).hexdigest()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
