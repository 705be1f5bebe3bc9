"""The manifests of archived months: what each consists of, and which of them may still be needed.

    <ARCHIVE_DIR>/price_history/manifests/2025-06-00000a3c3f2a90c1.json

Each content that a month was archived with has a manifest of its own, by the hash of its rows: a
database that is restored finds what its mark names. Older ones are called 2025-06.json, and lack
the hash of their own text.
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


class Removed(NamedTuple):
    """What was removed of older archives.

    :param bytes: of the files
    """

    months: list[date]
    bytes: int


def folder() -> Path:
    """Return the folder of all manifests."""
    return layout.root() / "manifests"


def path_of(month: date, content_hash: str) -> Path:
    """Return where the manifest of a month's content is; where it belongs, if it is nowhere."""
    path, older = _path(month, content_hash), folder() / f"{month:%Y-%m}.json"
    return older if os.path.exists(older) and not os.path.exists(path) else path


def _path(month: date, content_hash: str) -> Path:
    return folder() / f"{month:%Y-%m}-{content_hash[-16:]}.json"


def read(path: Path) -> ArchiveManifest:
    """Return a manifest.

    :raises ArchiveError: if it is absent, damaged, or was changed since it was written
    """
    try:
        told = json.loads(path.read_bytes())
        digest = told.pop("sha256", None)
        manifest = ArchiveManifest(
            **told | {"files": [ArchivedFile(**each) for each in told["files"]]}
        )
        datetime.fromisoformat(manifest.written_at)
    except OSError as error:
        raise ArchiveError(
            f"{path} cannot be read: {error.strerror}. Check ARCHIVE_DIR, or copy the archive back "
            "from a backup."
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(path, str(error)) from error
    if digest != _digest(told) and not (digest is None and _is_older(path)):
        raise _damaged(path, "its SHA-256 does not fit")
    return manifest


def write(month: date, manifest: ArchiveManifest) -> None:
    """Write a month's manifest, in one moment, and so that a crash does not undo it."""
    path, document = _path(month, manifest.content_hash), asdict(manifest)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".partial")
    draft.write_text(_encoded({"sha256": _digest(document)} | document))
    layout.sync(draft)
    draft.replace(path)
    layout.sync(path.parent)


def remove_leftovers(month: date) -> int:
    """Remove the Parquet files of a month that no manifest names; return their bytes.

    Removes none where a manifest is damaged: what it names is not known.
    """
    try:
        named = [file for _, manifest in _of(month) for file in manifest.files]
    except ArchiveError:
        return 0
    kept, removed = {layout.root() / each.path for each in named}, 0
    for path in layout.root().glob(f"platform=*/month={month:%Y-%m}/*.parquet"):
        if path not in kept:
            removed += path.stat().st_size
            path.unlink()
            with suppress(OSError):
                path.parent.rmdir()
    return removed


def remove_superseded(
    current: Collection[tuple[date, str]], is_needed: Callable[[datetime], bool]
) -> Removed:
    """Remove older archives of months with their files. Safe to repeat after a crash.

    :param current: month and content hash of what the database names, which is never removed
    :param is_needed: whether what was superseded at a time stays
    """
    kept = {path_of(*each) for each in current}
    removed, size = [], 0
    for month in _months():
        with suppress(ArchiveError):
            # What cannot be read is kept.
            for (path, _), (_, newer) in pairwise(_of(month)):
                if path not in kept and not is_needed(_written_at(newer)):
                    path.unlink()
                    removed.append(month)
        size += remove_leftovers(month)
    return Removed(removed, size)


def _of(month: date) -> list[tuple[Path, ArchiveManifest]]:
    """Return the manifests of a month, the newest last.

    :raises ArchiveError: if one of them is damaged
    """
    found = [(path, read(path)) for path, of in _all() if of == month]
    return sorted(found, key=lambda each: _written_at(each[1]))


def _months() -> list[date]:
    return sorted({month for _, month in _all()})


def _all() -> list[tuple[Path, date]]:
    """Return all manifests and their months.

    :raises OSError: if they cannot be listed: none are missing only because they are not seen
    """
    try:
        paths = sorted(folder().iterdir())
    except FileNotFoundError:
        return []
    names = [(path, _NAME.fullmatch(path.name)) for path in paths]
    return [(path, layout.month_of(name[1])) for path, name in names if name]


def _written_at(manifest: ArchiveManifest) -> datetime:
    return datetime.fromisoformat(manifest.written_at)


def _is_older(path: Path) -> bool:
    """Return whether a manifest has the name that those without a hash have."""
    name = _NAME.fullmatch(path.name)
    return name is not None and name[2] is None


def _damaged(path: Path, reason: str) -> ArchiveError:
    return ArchiveError(f"{path} is damaged: {reason}. Copy it back from a backup of the archive.")


def _digest(document: dict[str, Any]) -> str:
    return hashlib.sha256(_encoded(document).encode()).hexdigest()


def _encoded(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
