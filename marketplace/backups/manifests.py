"""Reading and writing the manifest of a backup set: `manifest.json` in the folder of the set."""

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
from marketplace.backups.content import DatabaseContent
from marketplace.backups.signing import Signature
from marketplace.exceptions import BackupError

MANIFEST = "manifest.json"

#: The name of this project in a manifest, and the version of the manifest's format.
PROJECT = "marketplace"
FORM = 1

#: Maximum size of a manifest in bytes. A manifest of 10,000 tables is smaller than 3 MB.
MAX_BYTES = 8 * 1024 * 1024

# Key of the signature, which the manifest's own hash covers, too.
_SIGNATURE = "hmac_sha256"

# Names of databases and of pg_dump's files. Such a name cannot lead out of the set's folder.
_SAFE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")

# Errors raised by parsing a text that is not a manifest.
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class File(NamedTuple):
    """The size in bytes and the hash of a dump file."""

    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Dump(DatabaseContent):
    """One database of a set: its content at the time of the snapshot, and its files."""

    #: The time of the snapshot, by the server's clock.
    started_at: datetime
    #: Duration of the dump.
    seconds: float
    #: Version of pg_dump.
    client: str
    #: In the format of pg_dump's option: "gzip:2".
    compression: str
    #: Path below the database's folder → expected size and hash.
    files: dict[str, File]

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(file.size for file in self.files.values())

    @property
    def rows(self) -> int:
        """The number of rows of all tables."""
        return sum(self.tables.values())


@dataclass(frozen=True)
class BackupManifest:
    """The description of a backup set."""

    name: str
    created_at: datetime
    finished_at: datetime
    #: Alias → its dump.
    databases: dict[str, Dump]
    #: Alias → the reason why it is not in the set.
    failed: dict[str, str]
    #: The result of checking the signature when the manifest was read.
    signature: Signature = Signature.UNSIGNED

    @property
    def bytes(self) -> int:
        """The size of all dumps."""
        return sum(dump.bytes for dump in self.databases.values())


def read(folder: Path, name: str) -> BackupManifest:
    """Return the manifest of a set.

    The signature is checked, but an invalid one is not rejected: `signing.require_valid` does that.

    :param folder: the folder of the set
    :raises BackupError: if the set has no manifest, or if the manifest was changed or belongs to
        another project
    """
    path = folder / MANIFEST
    try:
        with files.open_regular(path) as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise BackupError(
                f"{path} has more than {MAX_BYTES >> 20} MiB, the limit of a manifest. Use another "
                "set, and move this one out of BACKUP_DIR."
            )
        document = _document(content.decode())
    except FileNotFoundError:
        raise BackupError(f"{path} is missing: the set is incomplete. Use another set.") from None
    except OSError as error:
        raise BackupError(f"Cannot read {path}: {error.strerror}.") from error
    except _MALFORMED:
        document = None
    if document is None:
        raise BackupError(
            f"{path} was changed or is damaged: its SHA-256 does not match. Use another set."
        )
    stated_name, project, form = (document.get(key) for key in ("name", "project", "form"))
    if (stated_name, project, form) != (name, PROJECT, FORM):
        raise BackupError(
            f"{path} describes the set {stated_name} of {project}, in format {form}. Expected: the "
            f"set {name} of {PROJECT}, in format {FORM}."
        )
    try:
        signature = signing.signature_state(document, document.pop(_SIGNATURE, None))
        return _manifest(document, signature)
    except _MALFORMED as error:
        is_missing = isinstance(error, KeyError)
        reason = (
            f"lacks the key {error.args[0]}" if is_missing else f"has an invalid value: {error}"
        )
        raise BackupError(
            f"{path} {reason} (its SHA-256 matches). Use another set, and move this one out of "
            "BACKUP_DIR."
        ) from None


def write(manifest: BackupManifest, folder: Path) -> None:
    """Write the manifest into the folder of a set and sync it. It is signed if a key is set."""
    document = {"project": PROJECT, "form": FORM, **asdict(manifest)}
    del document["signature"]
    for dump in document["databases"].values():
        dump["files"] = {key: File(*file)._asdict() for key, file in dump["files"].items()}
    # The signature covers the document as it is read: with times as text.
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
    """Return the content of a manifest without its hash; None if the hash does not match."""
    document: dict[str, Any] = json.loads(text)
    digest = document.pop("sha256")
    is_intact = text == _encoded({"sha256": digest} | document) and digest == _digest(document)
    return document if is_intact else None


def _manifest(document: dict[str, Any], signature: Signature) -> BackupManifest:
    return BackupManifest(
        document["name"],
        _parse_time(document["created_at"]),
        _parse_time(document["finished_at"]),
        {_safe_name(alias): _dump(value) for alias, value in document["databases"].items()},
        dict(document["failed"]),
        signature,
    )


def _dump(value: dict[str, Any]) -> Dump:
    paths = {_safe_name(path): File(**file) for path, file in value["files"].items()}
    dump = Dump(**value | {"files": paths, "started_at": _parse_time(value["started_at"])})
    # The sums raise TypeError if a value is not a number.
    if min(dump.bytes, dump.rows, dump.size_bytes) < 0:
        raise ValueError("a number below 0")
    return dump


def _safe_name(name: str) -> str:
    if not _SAFE_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a file or folder of a set")
    return name


def _parse_time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return time


def _encoded(document: dict[str, Any]) -> str:
    return json.dumps(document, cls=DjangoJSONEncoder, ensure_ascii=False, indent=1) + "\n"


def _digest(document: dict[str, Any]) -> str:
    return hashlib.sha256(_encoded(document).encode()).hexdigest()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
