"""Rebuilding a dump in a new database beside the live one, which is not touched."""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db.backends.utils import CursorWrapper

from marketplace.backups import clients, content, sealing, sets, target_databases, verify
from marketplace.backups.manifests import Dump
from marketplace.databases import partitions
from marketplace.databases.names import database_name
from marketplace.exceptions import BackupError

#: Bytes on the server's disk for each byte of the database; its log comes on top.
_MARGIN = 1.1

#: Seconds between two looks at the room while a dump is rebuilt.
_PAUSE = 0.2

#: Bytes that PostgreSQL takes of a name; it cuts what is longer.
LONGEST_NAME = 63

#: Names of databases that are being rebuilt, or were replaced, end so: purpose and time.
_STAMP = re.compile(r"_(?:restore|drill|old)_\d{8}t\d{6}z$")


def beside(live: str, purpose: str, set_name: str) -> str:
    """Return the name of a database beside the live one: ecommerce_db_restore_20260601t030000z.

    :raises BackupError: if it is longer than PostgreSQL allows
    """
    name = f"{live}_{purpose}_{set_name.replace('-', '').lower()}"
    if len(name.encode()) > LONGEST_NAME:
        raise BackupError(f"{name} is too long for a name: give {live} a shorter one.")
    return name


def is_reserved(name: str) -> bool:
    """Return whether a name is one of those that are given, and whose databases are dropped."""
    return _STAMP.search(name) is not None


def check(cursor: CursorWrapper, alias: str, dump: Dump) -> int | None:
    """Look whether the server can take a dump; return its room, as far as it can be seen.

    :raises BackupError: if it is older than the dump's, lacks a role or room, or if there is no
        pg_restore that can read the dump
    """
    major = _major(cursor)
    if major < clients.major_of(dump.server):
        raise BackupError(
            f"The dump is of PostgreSQL {dump.server}, and this server is {major}. Restore it on "
            "a server that is not older."
        )
    verify.reader(alias, dump, major)
    if missing := target_databases.missing_roles(cursor, dump.roles):
        raise BackupError(
            f"The server lacks the roles {', '.join(missing)}, to which the dump grants something. "
            "Create them: python manage.py init_all, or CREATE ROLE."
        )
    free = target_databases.free_bytes(cursor, alias)
    needed = (
        dump.size_bytes * _MARGIN
        + min(dump.size_bytes, target_databases.log_bytes(cursor))
        + sets.RESERVE
    )
    if free is not None and free < needed:
        raise BackupError(
            f"The server's disk has {free / 1e6:,.0f} MB free, and {dump.database} needs about "
            f"{needed / 1e6:,.0f} MB. Free some first: db_restore --drop-old drops what earlier "
            "restores replaced."
        )
    return free


def leftovers(cursor: CursorWrapper, live: str, purpose: str) -> list[str]:
    """Return the databases that an interrupted run with a purpose left.

    To be called by who has the turn: then nobody is at work on them.
    """
    start = f"{live}_{purpose}_"
    return [
        name
        for name in target_databases.names(cursor)
        if name.startswith(start) and is_reserved(name) and len(name) == len(start) + 16
    ]


@contextmanager
def rebuilt(
    cursor: CursorWrapper, alias: str, set_name: str, dump: Dump, target: str, *, jobs: int
) -> Iterator[None]:
    """Rebuild a dump in a new database; drop it again if anything fails within.

    :param cursor: of the maintenance database
    :raises BackupError: if pg_restore fails, or a file is not what the manifest says
    """
    attributes = target_databases.attributes(cursor, database_name(alias)) or dump.attributes
    try:
        target_databases.create(cursor, target, attributes)
        with sealing.sealed(sets.path_of(set_name), alias, dump) as folder:
            _fill(cursor, alias, folder, dump, target, jobs)
        yield
    except BaseException:
        # Interrupted, too.
        target_databases.drop(cursor, target)
        raise


def compare(alias: str, name: str, dump: Dump) -> content.Comparison:
    """Return how a rebuilt database differs from what the manifest says."""
    with target_databases.session(alias, name) as cursor:
        return content.compare(cursor, alias, dump)


def lacking_files(alias: str, name: str) -> list[str]:
    """Return a sentence for each part of a rebuilt database in files that are not there."""
    with target_databases.session(alias, name) as cursor:
        found = partitions.lacking_files(alias, cursor)
    return [
        f"{what} is archived: it is in no backup set, and cannot be read: {why}"
        for what, why in found
    ]


def analyze(alias: str, name: str) -> None:
    """Gather the statistics without which the first queries of a rebuilt database are slow."""
    with target_databases.session(alias, name) as cursor:
        cursor.execute("ANALYZE")


def _fill(
    cursor: CursorWrapper, alias: str, folder: Path, dump: Dump, target: str, jobs: int
) -> None:
    client = verify.reader(alias, dump, _major(cursor))
    command = [str(client.path), f"--dbname={target}", f"--jobs={jobs}", "--exit-on-error"]
    variables = clients.environment(alias, target)
    with tempfile.NamedTemporaryFile("w", suffix=".list") as chosen:
        if not _is_superuser(cursor):
            chosen.write(_without_comments_of_extensions(client.path, folder))
            chosen.flush()
            command.append(f"--use-list={chosen.name}")
        with clients.running([*command, "--no-password", str(folder)], variables) as program:
            _watch(cursor, alias, program)


def _watch(cursor: CursorWrapper, alias: str, program: clients.Running) -> None:
    """Wait for pg_restore; give up before the server's disk is full."""
    while True:
        try:
            code = program.process.wait(_PAUSE)
        except subprocess.TimeoutExpired:
            free = target_databases.free_bytes(cursor, alias)
            if free is None or free >= sets.RESERVE:
                continue
            raise BackupError(
                f"The server's disk has only {free / 1e6:,.0f} MB left: given up, so that the "
                "server does not stop. Free some first, and run this again."
            ) from None
        if code:
            raise BackupError(f"pg_restore failed: {program.complaint()}")
        return


def _without_comments_of_extensions(program: Path, folder: Path) -> str:
    """Return the contents of a dump without what only the owner of an extension may do."""
    command = [str(program), "--list", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines(keepends=True)
    return "".join(line for line in lines if " COMMENT - EXTENSION " not in line)


def _is_superuser(cursor: CursorWrapper) -> bool:
    cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    return bool(cursor.fetchone() == (True,))


def _major(cursor: CursorWrapper) -> int:
    cursor.execute("SELECT current_setting('server_version_num')::int / 10000")
    return int(cursor.fetchone()[0])
