"""Restoring a database from a set.

1. Check that the set is intact and belongs to this database, and that the server can hold it.
2. Restore it into a new database on the same server.
3. Compare the new database with the manifest: rows of each table, migrations, extensions, objects.
4. Advance its sequences to those of the live database, so that no id is assigned twice, and grant
   other roles the privileges that they have there.
5. Swap the names in one transaction. The replaced database is kept under another name.

The live database is not changed before step 5, and step 5 is atomic.
"""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from django.db import Error, connections
from django.db.backends.utils import CursorWrapper
from django.db.migrations.loader import MigrationLoader

from marketplace.backups import clients, scratch, sets, target_databases, verify
from marketplace.backups.manifests import Dump
from marketplace.databases.names import database_name
from marketplace.databases.roles.other_roles import carry_over
from marketplace.databases.roles.reconcile import revoke_public_functions
from marketplace.exceptions import BackupError
from marketplace.humanize import file_size
from marketplace.postgresql import locks
from marketplace.postgresql.errors import first_line

#: The number of problems that an error message lists.
_SHOWN = 5

#: Called with progress messages, as sentences.
Progress = Callable[[str], None]


class RestorePlan(NamedTuple):
    """The restore of one database, before it starts."""

    alias: str
    set_name: str
    dump: Dump
    #: The name of the restored database.
    target: str
    #: The future name of the live database; empty if it does not exist or is not replaced.
    old: str
    #: Databases of an interrupted restore.
    leftovers: tuple[str, ...]
    #: Free bytes on the server's disk; None if unknown.
    free_bytes: int | None
    #: A warning about the signature of the set; empty if there is none.
    note: str

    @property
    def is_copy(self) -> bool:
        """Whether the live database is not replaced."""
        return self.target != database_name(self.alias)


def plan(
    alias: str,
    set_name: str,
    now: datetime,
    *,
    into: str | None = None,
    is_foreign: bool = False,
    is_unsigned_allowed: bool = False,
) -> RestorePlan:
    """Check whether a database can be restored. Nothing is changed.

    :param into: the name of a new database; None to replace the live one
    :param is_foreign: whether the set may come from another server or a database of another name
    :param is_unsigned_allowed: whether to accept an unsigned set although a key is set
    :raises BackupError: if the set is damaged, its signature is invalid, it does not belong to this
        database, the server cannot hold it, or a name is taken or invalid
    """
    if into is not None:
        _check_name(into)
    manifest, note = sets.read_trusted(set_name, is_unsigned_allowed=is_unsigned_allowed)
    if alias not in manifest.databases:
        raise BackupError(
            f"The set {set_name} does not contain {alias}, only {', '.join(manifest.databases)}."
        )
    dump = manifest.databases[alias]
    live = database_name(alias)
    with target_databases.session(alias) as cursor:
        if into is None:
            _check_migrations(alias, dump)
            if not is_foreign:
                _check_origin(cursor, set_name, live, dump)
        elif into in target_databases.names(cursor):
            raise BackupError(f"A database {into} already exists. Choose another name, or drop it.")
        free_bytes = scratch.check_server(cursor, alias, dump)
        _check_files(set_name, alias, dump)
        is_replacing = live in target_databases.names(cursor) and into is None
        old = scratch.temporary_name(live, "old", sets.format_name(now)) if is_replacing else ""
        leftovers = tuple(scratch.leftovers(cursor, live, "restore"))
    return RestorePlan(alias, set_name, dump, into or live, old, leftovers, free_bytes, note)


def restore(plan: RestorePlan, *, jobs: int, progress: Progress) -> None:
    """Restore a database as planned. The live database is not changed before the swap.

    :param jobs: processes of pg_restore
    :raises BackupError: if another restore is running, an object cannot be restored, or the
        restored database differs from the manifest; the live database is unchanged then
    """
    alias, dump, live = plan.alias, plan.dump, database_name(plan.alias)
    building = scratch.temporary_name(live, "restore", plan.set_name)
    with target_databases.session(alias) as cursor, sets.shared_lock(plan.set_name):
        target_databases.lock_for(cursor, locks.RESTORE_OF + live)
        _remove_leftovers(cursor, live, progress)
        if plan.free_bytes is None:
            progress(
                "the free space on the server's disk is unknown: make sure that it has "
                f"{file_size(dump.size_bytes)}, and as much again for the WAL"
            )
        progress(f"restoring {dump.database} of {plan.set_name} into {building}")
        with scratch.rebuilt(cursor, alias, plan.set_name, dump, building, jobs=jobs):
            _compare(plan, building)
            for warning in scratch.archive_warnings(alias, building):
                progress(f"warning: {warning}")
            scratch.analyze(alias, building)
            if plan.old:
                _advance_sequences(plan, building, live, progress)
            target_databases.apply_settings(
                cursor, building, target_databases.attributes(cursor, live) or dump.attributes
            )
            revoke_public_functions(alias, building)
            if plan.old:
                _carry_over_privileges(alias, live, building, progress)
            # A connection to the live database would prevent the swap.
            connections[alias].close()
            clients.stop_if_signaled()
            comment = f"{target_databases.REPLACED}{plan.set_name}"
            target_databases.swap(cursor, alias, building, plan.target, plan.old, comment)
        if plan.old:
            # Loads may have assigned more ids before the swap.
            _advance_sequences(plan, live, plan.old, progress)


def replaced(alias: str) -> list[str]:
    """Return the names of the databases that restores of this one have replaced."""
    prefix = f"{database_name(alias)}_old_"
    with target_databases.session(alias) as cursor:
        names = target_databases.replaced(cursor)
    return [name for name in names if name.startswith(prefix) and scratch.is_reserved(name)]


def drop_replaced(alias: str) -> list[str]:
    """Drop the databases that restores of this one have replaced; return their names."""
    names = replaced(alias)
    with target_databases.session(alias) as cursor:
        for name in names:
            target_databases.drop(cursor, name)
    return names


def _check_migrations(alias: str, dump: Dump) -> None:
    available = MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    unknown = [
        f"{app}.{name}" for app, name in dump.migrations.items() if (app, name) not in available
    ]
    if unknown:
        raise BackupError(
            f"The set has migrations of {alias} that this code does not have: "
            f"{', '.join(unknown)}. Restore it with the code that has them, or as a copy (--into)."
        )


def _check_origin(cursor: CursorWrapper, set_name: str, live: str, dump: Dump) -> None:
    cursor.execute("SELECT system_identifier::text FROM pg_control_system()")
    [identifier] = cursor.fetchone()
    reasons = []
    if dump.database != live:
        reasons.append(f"its database is {dump.database}, and the live database is {live}")
    if dump.system_identifier != identifier:
        reasons.append("it was made on another server")
    if reasons:
        raise BackupError(
            f"The set {set_name} is foreign: {'; '.join(reasons)}. Restore it as a copy (--into), "
            "or add --foreign to replace the live database with it."
        )


def _check_name(into: str) -> None:
    if not into.strip():
        # Perhaps an unset shell variable, which must not replace the live database.
        raise BackupError(
            "The name for the copy (--into) is empty. Name the new database, or omit --into to "
            "replace the live one."
        )
    if (size := len(into.encode())) > scratch.LONGEST_NAME:
        raise BackupError(
            f"The name {into} has {size} bytes; PostgreSQL allows {scratch.LONGEST_NAME}. Choose a "
            "shorter one."
        )
    if scratch.is_reserved(into):
        raise BackupError(f"Names such as {into} are reserved for restores. Choose another.")


def _check_files(set_name: str, alias: str, dump: Dump) -> None:
    if damaged := verify.damaged_files(sets.path_of(set_name), alias, dump):
        more = f" and {len(damaged) - _SHOWN} more" if len(damaged) > _SHOWN else ""
        raise BackupError(
            f"The set {set_name} is damaged: {'; '.join(damaged[:_SHOWN])}{more}. Choose another "
            "one: python manage.py db_backup --list."
        )


def _remove_leftovers(cursor: CursorWrapper, live: str, progress: Progress) -> None:
    for name in scratch.leftovers(cursor, live, "restore"):
        target_databases.drop(cursor, name)
        progress(f"dropped {name}, left by an interrupted restore")


def _advance_sequences(plan: RestorePlan, name: str, source: str, progress: Progress) -> None:
    try:
        target_databases.advance_sequences(plan.alias, name, source)
    except Error as error:
        # The live database may be unreadable: that can be the reason for the restore.
        progress(
            f"warning: the sequences of {source} cannot be read: {first_line(error)}. Ids "
            f"assigned since {plan.set_name}, such as those of runs, may be assigned again"
        )


def _carry_over_privileges(alias: str, live: str, name: str, progress: Progress) -> None:
    """Grant other roles the privileges that they got after the backup, with `db_grants ROLE`."""
    try:
        result = carry_over(alias, live, name)
    except Error as error:
        # The live database may be unreadable: that can be the reason for the restore.
        progress(
            f"warning: the privileges of other roles in {live} cannot be carried over: "
            f"{first_line(error)}. Grant them again: python manage.py db_grants ROLE "
            f"--database {alias}"
        )
        return
    for role in result.roles:
        progress(f"granted {role} the privileges that it has in the replaced database")
    for role, problem in result.failed.items():
        option = " --write" if role in result.writers else ""
        progress(
            f"warning: {role} {problem}. Run this as a superuser: python manage.py db_grants "
            f"{role}{option} --database {alias}"
        )


def _compare(plan: RestorePlan, name: str) -> None:
    if differences := scratch.compare(plan.alias, name, plan.dump):
        raise BackupError(
            f"The restored database differs from the manifest of {plan.set_name} and was dropped: "
            f"{'; '.join(differences[:_SHOWN])}. Choose another set: "
            "python manage.py db_backup --list."
        )
