"""Reading, writing and removing the manifests of archived months.

    <ARCHIVE_DIR>/price_history/manifests/2025-06-00000a3c3f2a90c1.json

The name contains the hash of the month's rows. If a month was archived several times with different
rows, each version has a manifest, and a restored database finds the one that it expects. Manifests
of an older format are named 2025-06.json and do not contain a hash of their own text.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import asdict
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from ecommerce.archive import layout
from ecommerce.archive.layout import ArchivedFile, ArchiveManifest
from marketplace.exceptions import ArchiveError

_NAME = re.compile(r"(\d{4}-\d\d)(-[0-9a-f]{16})?\.json")


class RemovedFiles(NamedTuple):
    """The superseded files that were removed.

    :param bytes: total size of the files
    """

    months: list[date]
    bytes: int


def folder() -> Path:
    """Return the folder of all manifests."""
    return layout.root() / "manifests"


def path_of(month: date, content_hash: str) -> Path:
    """Return the path of the manifest for a month's content; the file may not exist."""
    path, old_path = _path(month, content_hash), folder() / f"{month:%Y-%m}.json"
    return old_path if os.path.exists(old_path) and not os.path.exists(path) else path


def _path(month: date, content_hash: str) -> Path:
    return folder() / f"{month:%Y-%m}-{content_hash[-16:]}.json"


def read(path: Path) -> ArchiveManifest:
    """Return a manifest.

    :raises ArchiveError: if it is missing, damaged or was changed
    """
    try:
        document = json.loads(path.read_bytes())
        digest = document.pop("sha256", None)
        files = [ArchivedFile(**values) for values in document["files"]]
        manifest = ArchiveManifest(**document | {"files": files})
        datetime.fromisoformat(manifest.written_at)
    except OSError as error:
        raise ArchiveError(
            f"{path} cannot be read: {error.strerror}. Check ARCHIVE_DIR, or copy the archive back "
            "from a backup."
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(path, str(error)) from error
    if digest != _digest(document) and not (digest is None and _has_old_format(path)):
        raise _damaged(path, "its SHA-256 does not match")
    return manifest


def write(month: date, manifest: ArchiveManifest) -> None:
    """Write the manifest of a month atomically and durably."""
    path, document = _path(month, manifest.content_hash), asdict(manifest)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".partial")
    draft.write_text(_encoded({"sha256": _digest(document)} | document))
    layout.sync(draft)
    draft.replace(path)
    layout.sync(path.parent)


def remove_leftovers(month: date) -> int:
    """Remove the Parquet files of a month that are in no manifest; return their total size.

    If a manifest is damaged, its files are unknown, so no file is removed.
    """
    try:
        listed = [file for _, manifest in _of_month(month) for file in manifest.files]
    except ArchiveError:
        return 0
    kept, removed = {layout.root() / file.path for file in listed}, 0
    for path in layout.root().glob(f"platform=*/month={month:%Y-%m}/*.parquet"):
        if path not in kept:
            removed += path.stat().st_size
            path.unlink()
            with suppress(OSError):
                path.parent.rmdir()
    return removed


def remove_superseded(
    current: Collection[tuple[date, str]], is_needed: Callable[[datetime], bool]
) -> RemovedFiles:
    """Remove superseded manifests of months with their files. It can be repeated after a crash.

    :param current: months and content hashes in the database, which are never removed
    :param is_needed: returns whether to keep a manifest that was superseded at a time
    """
    kept = {path_of(month, content_hash) for month, content_hash in current}
    removed, size = [], 0
    for month in _months():
        with suppress(ArchiveError):
            # Unreadable manifests are kept.
            for (path, _), (_, newer) in pairwise(_of_month(month)):
                if path not in kept and not is_needed(_written_at(newer)):
                    path.unlink()
                    removed.append(month)
        size += remove_leftovers(month)
    return RemovedFiles(removed, size)


def _of_month(month: date) -> list[tuple[Path, ArchiveManifest]]:
    """Return the paths and manifests of a month, the newest last.

    :raises ArchiveError: if one of them is damaged
    """
    manifests = [(path, read(path)) for path, other in _all() if other == month]
    return sorted(manifests, key=lambda item: _written_at(item[1]))


def _months() -> list[date]:
    return sorted({month for _, month in _all()})


def _all() -> list[tuple[Path, date]]:
    """Return the paths and months of all manifests.

    :raises OSError: if the folder cannot be listed
    """
    try:
        paths = sorted(folder().iterdir())
    except FileNotFoundError:
        return []
    names = [(path, _NAME.fullmatch(path.name)) for path in paths]
    return [(path, layout.month_of(name[1])) for path, name in names if name]


def _written_at(manifest: ArchiveManifest) -> datetime:
    return datetime.fromisoformat(manifest.written_at)


def _has_old_format(path: Path) -> bool:
    """Return whether a manifest has the name of the old format, which has no hash."""
    name = _NAME.fullmatch(path.name)
    return name is not None and name[2] is None


def _damaged(path: Path, reason: str) -> ArchiveError:
    return ArchiveError(f"{path} is damaged: {reason}. Copy it back from a backup of the archive.")


def _digest(document: dict[str, Any]) -> str:
    return hashlib.sha256(_encoded(document).encode()).hexdigest()


def _encoded(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
