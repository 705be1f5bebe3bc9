"""Verification of a set: its files are unchanged and readable, its signature is valid."""

from pathlib import Path
from typing import NamedTuple

from marketplace.backups import clients, files, manifests, sets
from marketplace.backups.manifests import BackupManifest, Dump
from marketplace.exceptions import BackupError


class Verification(NamedTuple):
    """The result of verifying a set."""

    name: str
    databases: tuple[str, ...]
    #: The number of files.
    files: int
    bytes: int
    #: Sentences that specify the file or the database.
    problems: tuple[str, ...]
    signature: str = ""
    #: A warning about the signature; empty if there is none.
    note: str = ""


def verify(name: str, *, is_unsigned_allowed: bool = False) -> Verification:
    """Verify the signature and the files of a set. A missing set is reported as a problem.

    :param is_unsigned_allowed: whether to accept an unsigned set although a key is set
    """
    try:
        manifest, note = sets.read_trusted(name, is_unsigned_allowed=is_unsigned_allowed)
    except BackupError as error:
        return Verification(name, (), 0, 0, (str(error),))
    return verify_files(manifest)._replace(note=note)


def verify_files(manifest: BackupManifest) -> Verification:
    """Compare all files of a set with its manifest, and read all of them with pg_restore."""
    try:
        with sets.shared_lock(manifest.name):
            return _verify_files(manifest)
    except BackupError as error:
        return Verification(manifest.name, (), 0, 0, (str(error),))


def _verify_files(manifest: BackupManifest) -> Verification:
    path = sets.path_of(manifest.name)
    problems = unlisted_files(manifest)
    has_unlisted = bool(problems)
    for alias, dump in manifest.databases.items():
        damaged = damaged_files(path, alias, dump)
        problems += damaged
        # Damaged files are not read. pg_restore may also read an unlisted file instead of a listed
        # one.
        if not damaged and not has_unlisted:
            problems += read_errors(path, alias, dump)
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


def is_complete(manifest: BackupManifest) -> bool:
    """Return whether all files exist and have their expected sizes. No file is read."""
    path = sets.folder() / manifest.name
    return not any(
        _is_link(path / alias)
        or any(_wrong_size(path / alias / key, file.size) for key, file in dump.files.items())
        for alias, dump in manifest.databases.items()
    )


def damaged_files(path: Path, alias: str, dump: Dump) -> list[str]:
    """Return a sentence for each file of a dump that is missing or was changed.

    :param path: the folder of the set. It may be a link, but its entries may not
    """
    if _is_link(path / alias):
        return [f"{alias} is a link, not a folder"]
    problems = []
    for key, file in dump.files.items():
        file_path = path / alias / key
        problem = _wrong_size(file_path, file.size) or _wrong_content(file_path, file.sha256)
        if problem:
            problems.append(f"{alias}/{key} {problem}")
    return problems


def unlisted_files(manifest: BackupManifest) -> list[str]:
    """Return a sentence for each file or link of a set that is not in its manifest."""
    listed = {f"{alias}/{key}" for alias, dump in manifest.databases.items() for key in dump.files}
    listed.add(manifests.MANIFEST)
    existing = files.list_files(sets.path_of(manifest.name))
    return [f"{key} is not in the manifest" for key in existing if key not in listed]


def read_errors(path: Path, alias: str, dump: Dump) -> list[str]:
    """Return the reason why pg_restore cannot read a dump completely; empty if it can."""
    try:
        client = find_pg_restore(alias, dump)
        # Without a database, pg_restore writes SQL, for which it reads all files.
        clients.run([str(client.path), "--file=/dev/null", str(path / alias)])
    except BackupError as error:
        return [f"{alias} cannot be read: {error}"]
    return []


def find_pg_restore(alias: str, dump: Dump, at_least: int = 0) -> clients.Client:
    """Return a pg_restore that can read a dump.

    :param at_least: the major version of the target server
    :raises BackupError: if none is installed
    """
    major = max(at_least, clients.major_of(dump.client))
    return clients.find("pg_restore", alias, major, dump.compression.partition(":")[0])


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except OSError:
        # Reading the entries fails, too, and reports the problem.
        return False


def _wrong_size(path: Path, size: int) -> str:
    try:
        if problem := files.describe_irregular(path):
            return problem
        actual = path.lstat().st_size
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "" if actual == size else f"has {actual:,} bytes instead of {size:,}"


def _wrong_content(path: Path, digest: str) -> str:
    try:
        actual = files.digest(path)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "" if actual == digest else "has changed: its SHA-256 is not that of the manifest"
