"""Whether a set is what it was when it was written, and can be read."""

from pathlib import Path
from typing import NamedTuple

from marketplace.backups import clients, files, manifests, sets, signing
from marketplace.backups.manifests import Dump, Manifest
from marketplace.exceptions import BackupError


class Verification(NamedTuple):
    """What was found in a set."""

    name: str
    databases: tuple[str, ...]
    files: int
    bytes: int
    #: Each names the file, or the database.
    problems: tuple[str, ...]
    signature: str = ""
    #: A warning about the signature; empty if there is none.
    note: str = ""


def verify(name: str, *, is_unsigned_allowed: bool = False) -> Verification:
    """Check the signature of a set, and then all that `examine` does.

    That there is no such set is a problem like others.

    :param is_unsigned_allowed: whether a set without a signature passes though there is a key
    """
    try:
        manifest = sets.read(name)
        note = signing.check(name, manifest.signature, is_unsigned_allowed=is_unsigned_allowed)
    except BackupError as error:
        return Verification(name, (), 0, 0, (str(error),))
    return examine(manifest)._replace(note=note)


def examine(manifest: Manifest) -> Verification:
    """Compare all files of a set with its manifest, and have pg_restore read all of them."""
    try:
        with sets.in_use(manifest.name):
            return _examined(manifest)
    except BackupError as error:
        return Verification(manifest.name, (), 0, 0, (str(error),))


def _examined(manifest: Manifest) -> Verification:
    path = sets.path_of(manifest.name)
    problems = foreign_files(manifest)
    has_foreign = bool(problems)
    for alias, dump in manifest.databases.items():
        found = damages(path, alias, dump)
        problems += found
        # Damaged files are not read; and pg_restore may prefer a foreign file to that of the dump.
        if not found and not has_foreign:
            problems += unreadable(path, alias, dump)
    count = sum(len(dump.files) for dump in manifest.databases.values())
    databases = tuple(manifest.databases)
    return Verification(
        manifest.name,
        databases,
        count,
        manifest.bytes,
        tuple(problems),
        signature=str(manifest.signature),
    )


def is_complete(manifest: Manifest) -> bool:
    """Return whether all files are there, in their sizes: what can be told without reading them."""
    path = sets.folder() / manifest.name
    return not any(
        _is_link(path / alias)
        or any(_wrong_size(path / alias / key, file.size) for key, file in dump.files.items())
        for alias, dump in manifest.databases.items()
    )


def damages(path: Path, alias: str, dump: Dump) -> list[str]:
    """Return which files of a dump are missing, or are not as they were written.

    :param path: of the set, which may be a link; its entries may not
    """
    if _is_link(path / alias):
        return [f"{alias} is a link, not a folder"]
    found = []
    for key, file in dump.files.items():
        each = path / alias / key
        problem = _wrong_size(each, file.size) or _wrong_content(each, file.sha256)
        if problem:
            found.append(f"{alias}/{key} {problem}")
    return found


def foreign_files(manifest: Manifest) -> list[str]:
    """Return the files and links of a set that its manifest does not know."""
    known = {f"{alias}/{key}" for alias, dump in manifest.databases.items() for key in dump.files}
    there = files.below(sets.path_of(manifest.name))
    return [
        f"{key} is not in the manifest" for key in there if key not in known | {manifests.MANIFEST}
    ]


def unreadable(path: Path, alias: str, dump: Dump) -> list[str]:
    """Return why a dump cannot be read to its end; nothing if it can."""
    try:
        client = reader(alias, dump)
        # Without a database, pg_restore writes SQL; so it unpacks all there is.
        clients.run([str(client.path), "--file=/dev/null", str(path / alias)])
    except BackupError as error:
        return [f"{alias} cannot be read: {error}"]
    return []


def reader(alias: str, dump: Dump, at_least: int = 0) -> clients.Client:
    """Return the pg_restore that can read a dump.

    :param at_least: the major version of the server that it is for
    :raises BackupError: if there is none
    """
    major = max(at_least, clients.major_of(dump.client))
    return clients.find("pg_restore", alias, major, dump.compression.partition(":")[0])


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except OSError:
        # Its entries cannot be read either.
        return False


def _wrong_size(path: Path, size: int) -> str:
    try:
        if problem := files.irregular(path):
            return problem
        found = path.lstat().st_size
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "" if found == size else f"has {found:,} bytes instead of {size:,}"


def _wrong_content(path: Path, digest: str) -> str:
    try:
        found = files.digest(path)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "" if found == digest else "has changed: its SHA-256 is not that of the manifest"
