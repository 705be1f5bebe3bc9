"""Restoring a dump into a new database on the same server, without changing the live one."""

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
from marketplace.databases.names import ALL_ALIASES, database_name
from marketplace.databases.roles.definitions import roles_of
from marketplace.exceptions import BackupError
from marketplace.humanize import file_size

#: Required disk space relative to the size of the database, not including the WAL.
_MARGIN = 1.1

#: Seconds between two checks of the free space during a restore.
_POLL_INTERVAL = 0.2

#: PostgreSQL truncates names that have more bytes.
LONGEST_NAME = 63

#: The suffix of databases that are being restored or were replaced: purpose and time.
_STAMP = re.compile(r"_(?:restore|drill|old)_\d{8}t\d{6}z$")


def temporary_name(live: str, purpose: str, set_name: str) -> str:
    """Return the name of a temporary database: ecommerce_db_restore_20260601t030000z.

    :raises BackupError: if the name is longer than PostgreSQL allows
    """
    name = f"{live}_{purpose}_{set_name.replace('-', '').lower()}"
    if len(name.encode()) > LONGEST_NAME:
        raise BackupError(f"The name {name} is too long: give {live} a shorter name.")
    return name


def is_reserved(name: str) -> bool:
    """Return whether a name has the format of temporary and replaced databases."""
    return _STAMP.search(name) is not None


def check_server(cursor: CursorWrapper, alias: str, dump: Dump) -> int | None:
    """Check that the server can hold a dump; return its free disk space, or None if unknown.

    :raises BackupError: if the server is older than that of the dump, if it lacks a role or disk
        space, or if no installed pg_restore can read the dump
    """
    major = _major(cursor)
    if major < clients.major_of(dump.server):
        raise BackupError(
            f"The dump was made on PostgreSQL {dump.server}, and this server is {major}. Restore "
            "it on a server that is not older."
        )
    verify.find_pg_restore(alias, dump, major)
    if missing := target_databases.missing_roles(cursor, dump.roles):
        raise BackupError(_describe_missing_roles(cursor, missing))
    free = target_databases.free_bytes(cursor, alias)
    needed = (
        dump.size_bytes * _MARGIN
        + min(dump.size_bytes, target_databases.max_wal_bytes(cursor))
        + sets.RESERVE
    )
    if free is not None and free < needed:
        raise BackupError(
            f"The server's disk has {file_size(free)} free, and {dump.database} needs about "
            f"{file_size(needed)}. Free some space first: db_restore --drop-old drops the "
            "databases that earlier restores replaced."
        )
    return free


def _describe_missing_roles(cursor: CursorWrapper, names: list[str]) -> str:
    """Return a message: `init_all` creates the project's roles, an administrator the others."""
    project_roles = {role.name for alias in ALL_ALIASES for role in roles_of(alias)}
    steps = ["python manage.py init_all"] if project_roles.intersection(names) else []
    if others := [name for name in names if name not in project_roles]:
        cursor.execute(
            "SELECT string_agg(format('CREATE ROLE %%I LOGIN;', name), ' ' ORDER BY name) "
            "FROM unnest(%(names)s) AS name",
            {"names": others},
        )
        steps.append(f"{cursor.fetchone()[0]} in psql as a superuser")
    noun, pronoun = ("role", "it") if len(names) == 1 else ("roles", "them")
    return (
        f"The server does not have the {noun} {', '.join(names)}, to which the dump grants "
        f"privileges. Create {pronoun}: {', and '.join(steps)}"
    )


def leftovers(cursor: CursorWrapper, live: str, purpose: str) -> list[str]:
    """Return the databases that an interrupted run with this purpose left.

    The caller must hold the lock of the purpose, so that no other process uses these databases.
    """
    prefix = f"{live}_{purpose}_"
    return [
        name
        for name in target_databases.names(cursor)
        if name.startswith(prefix) and is_reserved(name) and len(name) == len(prefix) + 16
    ]


@contextmanager
def rebuilt(
    cursor: CursorWrapper, alias: str, set_name: str, dump: Dump, target: str, *, jobs: int
) -> Iterator[None]:
    """Restore a dump into a new database; drop the database if the restore or the block fails.

    :param cursor: of the maintenance database
    :raises BackupError: if pg_restore fails, or a file does not match the manifest
    """
    attributes = target_databases.attributes(cursor, database_name(alias)) or dump.attributes
    try:
        target_databases.create(cursor, target, attributes)
        with sealing.sealed(sets.path_of(set_name), alias, dump) as folder:
            _fill(cursor, alias, folder, dump, target, jobs)
        yield
    except BaseException:
        # This includes interruption by a signal.
        target_databases.drop(cursor, target)
        raise


def compare(alias: str, name: str, dump: Dump) -> list[str]:
    """Return the differences between a restored database and the manifest, as lines."""
    with target_databases.session(alias, name) as cursor:
        return content.compare(cursor, alias, dump)


def archive_warnings(alias: str, name: str) -> list[str]:
    """Return a sentence for each archived month of a restored database that cannot be read."""
    with target_databases.session(alias, name) as cursor:
        unreadable = partitions.lacking_files(alias, cursor)
    return [
        f"The archived month {month}, which no backup set contains, cannot be read: {reason}"
        for month, reason in unreadable
    ]


def analyze(alias: str, name: str) -> None:
    """Collect planner statistics, so that the first queries of a restored database are fast."""
    with target_databases.session(alias, name) as cursor:
        cursor.execute("ANALYZE")


def _fill(
    cursor: CursorWrapper, alias: str, folder: Path, dump: Dump, target: str, jobs: int
) -> None:
    client = verify.find_pg_restore(alias, dump, _major(cursor))
    command = [str(client.path), f"--dbname={target}", f"--jobs={jobs}", "--exit-on-error"]
    variables = clients.environment(alias, target)
    with tempfile.NamedTemporaryFile("w", suffix=".list") as use_list:
        if not _is_superuser(cursor):
            use_list.write(_list_without_extension_comments(client.path, folder))
            use_list.flush()
            command.append(f"--use-list={use_list.name}")
        with clients.running([*command, "--no-password", str(folder)], variables) as program:
            _watch(cursor, alias, program)


def _watch(cursor: CursorWrapper, alias: str, program: clients.RunningProgram) -> None:
    """Wait for pg_restore; stop before the server's disk is full."""
    while True:
        try:
            code = program.process.wait(_POLL_INTERVAL)
        except subprocess.TimeoutExpired:
            free = target_databases.free_bytes(cursor, alias)
            if free is None or free >= sets.RESERVE:
                continue
            raise BackupError(
                f"The server's disk has only {file_size(free)} left: the restore stopped, so "
                "that the server does not. Free some space first, and run this again."
            ) from None
        if code:
            raise BackupError(f"pg_restore failed: {program.error_text()}")
        return


def _list_without_extension_comments(program: Path, folder: Path) -> str:
    """Return the table of contents of a dump without comments that only a superuser may restore."""
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
