"""Bringing a database back from a set.

1. Look whether the set is whole, of this database, and can be taken by the server.
2. Rebuild it in a new database beside the live one.
3. Compare it with the manifest: rows of each table, migrations, extensions, objects.
4. Move its sequences on to where those of the live database are, so that no id is given out twice.
5. Exchange the names in one moment. The database that was live is kept under another name.

Until 5 the live database is not touched; 5 happens whole or not at all.
"""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from django.db import Error, connections
from django.db.backends.utils import CursorWrapper
from django.db.migrations.loader import MigrationLoader

from marketplace.backups import clients, scratch, sets, signing, target_databases, verify
from marketplace.backups.manifests import Dump
from marketplace.databases.names import database_name
from marketplace.databases.roles.reconcile import revoke_public_functions
from marketplace.exceptions import BackupError

#: Problems of a set that a message names.
_SHOWN = 5

#: Gets what happens, as sentences.
Say = Callable[[str], None]


class Restore(NamedTuple):
    """What is to be restored, and where to."""

    alias: str
    set_name: str
    dump: Dump
    #: The database that there will be.
    target: str
    #: What the live database will be called; empty if there is none, or it stays.
    old: str
    #: Databases that an interrupted run left.
    leftovers: tuple[str, ...]
    #: Bytes free on the server's disk; None where it cannot be seen from here.
    room: int | None
    #: A warning about the set's signature; empty if there is none.
    note: str

    @property
    def is_copy(self) -> bool:
        """Whether the live database stays."""
        return self.target != database_name(self.alias)


def plan(
    alias: str,
    set_name: str,
    now: datetime,
    *,
    into: str | None = None,
    is_foreign: bool = False,
    is_unsigned_allowed: bool = False,
) -> Restore:
    """Look whether a database can be restored, and change nothing.

    :param into: a name for a copy beside the live database; None to replace that
    :param is_foreign: whether the set may be of another server or of a database of another name
    :param is_unsigned_allowed: whether a set without a signature passes though there is a key
    :raises BackupError: if the set is damaged, its signature is not valid, it is not of this
        database, the server cannot take it, or a name is taken or cannot be given
    """
    if into is not None:
        _check_name(into)
    manifest = sets.read(set_name)
    note = signing.check(set_name, manifest.signature, is_unsigned_allowed=is_unsigned_allowed)
    if alias not in manifest.databases:
        raise BackupError(
            f"The set {set_name} has no {alias}: it has {', '.join(manifest.databases)}."
        )
    dump = manifest.databases[alias]
    live = database_name(alias)
    with target_databases.session(alias) as cursor:
        if into is None:
            _check_migrations(alias, dump)
            if not is_foreign:
                _check_origin(cursor, set_name, live, dump)
        elif into in target_databases.names(cursor):
            raise BackupError(
                f"There is a database {into} already. Choose another name, or drop it."
            )
        room = scratch.check(cursor, alias, dump)
        _check_files(set_name, alias, dump)
        has_live = live in target_databases.names(cursor)
        old = scratch.beside(live, "old", sets.stamp(now)) if has_live and into is None else ""
        left = tuple(scratch.leftovers(cursor, live, "restore"))
    return Restore(alias, set_name, dump, into or live, old, left, room, note)


def restore(what: Restore, *, jobs: int, say: Say) -> None:
    """Do what was planned. The live database stays as it is until the last moment.

    :param jobs: processes of pg_restore
    :raises BackupError: if another restore is at work, something cannot be restored, or what was
        restored differs from the manifest; then the live database is as it was
    """
    alias, dump, live = what.alias, what.dump, database_name(what.alias)
    building = scratch.beside(live, "restore", what.set_name)
    with target_databases.session(alias) as cursor, sets.in_use(what.set_name):
        target_databases.take_turn(cursor, f"restore of {live}")
        _remove_leftovers(cursor, live, say)
        if what.room is None:
            say(
                "the server's disk cannot be seen from here: see that it has room for "
                f"{dump.size_bytes / 1e6:,.0f} MB and as much log"
            )
        say(f"restoring {dump.database} of {what.set_name} into {building}")
        with scratch.rebuilt(cursor, alias, what.set_name, dump, building, jobs=jobs):
            _compare(what, building, say)
            for lack in scratch.lacking_files(alias, building):
                say(f"warning: {lack}")
            scratch.analyze(alias, building)
            if what.old:
                _advance_sequences(what, building, live, say)
            target_databases.dress(
                cursor, building, target_databases.attributes(cursor, live) or dump.attributes
            )
            revoke_public_functions(alias, building)
            # Our own connection would be in the way.
            connections[alias].close()
            clients.stop_if_told()
            comment = f"{target_databases.REPLACED}{what.set_name}"
            target_databases.exchange(cursor, alias, building, what.target, what.old, comment)
        if what.old:
            # What was loaded between the first time and the exchange.
            _advance_sequences(what, live, what.old, say)


def replaced(alias: str) -> list[str]:
    """Return the databases that restores of this one have replaced, and that are still there."""
    start = f"{database_name(alias)}_old_"
    with target_databases.session(alias) as cursor:
        found = target_databases.replaced(cursor)
    return [name for name in found if name.startswith(start) and scratch.is_reserved(name)]


def drop_replaced(alias: str) -> list[str]:
    """Drop the databases that restores of this one have replaced; return their names."""
    names = replaced(alias)
    with target_databases.session(alias) as cursor:
        for name in names:
            target_databases.drop(cursor, name)
    return names


def _check_migrations(alias: str, dump: Dump) -> None:
    known = MigrationLoader(None, ignore_no_migrations=True).disk_migrations
    unknown = [f"{app}.{name}" for app, name in dump.migrations.items() if (app, name) not in known]
    if unknown:
        raise BackupError(
            f"The set has migrations of {alias} that this code does not know: "
            f"{', '.join(unknown)}. Restore it with the code that has them, or as a copy (--into)."
        )


def _check_origin(cursor: CursorWrapper, set_name: str, live: str, dump: Dump) -> None:
    cursor.execute("SELECT system_identifier::text FROM pg_control_system()")
    [identifier] = cursor.fetchone()
    what = []
    if dump.database != live:
        what.append(f"it is of {dump.database}, and the live database is {live}")
    if dump.system_identifier != identifier:
        what.append("it was made on another server")
    if what:
        raise BackupError(
            f"The set {set_name} is foreign: {'; '.join(what)}. Restore it as a copy (--into), or "
            "add --foreign if it is to replace the live database all the same."
        )


def _check_name(into: str) -> None:
    if not into.strip():
        # A shell's variable that is not set, perhaps: that must not replace the live database.
        raise BackupError(
            "The name for the copy (--into) is empty. Name the new database, or leave --into out "
            "to replace the live one."
        )
    if (size := len(into.encode())) > scratch.LONGEST_NAME:
        raise BackupError(
            f"{into} has {size} bytes, and PostgreSQL takes {scratch.LONGEST_NAME} of a name. "
            "Choose a shorter one."
        )
    if scratch.is_reserved(into):
        raise BackupError(f"Names such as {into} are given by restores. Choose another.")


def _check_files(set_name: str, alias: str, dump: Dump) -> None:
    if found := verify.damages(sets.path_of(set_name), alias, dump):
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise BackupError(
            f"The set {set_name} is damaged: {'; '.join(found[:_SHOWN])}{more}. Restore another "
            "one: python manage.py db_backup --list."
        )


def _remove_leftovers(cursor: CursorWrapper, live: str, say: Say) -> None:
    for name in scratch.leftovers(cursor, live, "restore"):
        target_databases.drop(cursor, name)
        say(f"dropped {name}, which an interrupted restore had left")


def _advance_sequences(what: Restore, name: str, source: str, say: Say) -> None:
    try:
        target_databases.advance_sequences(what.alias, name, source)
    except Error as error:
        # A database that cannot be read is what a restore is for.
        say(
            f"warning: the sequences of {source} cannot be read: {str(error).splitlines()[0]}. Ids "
            f"that it gave out since {what.set_name}, such as those of runs, may be given out again"
        )


def _compare(what: Restore, name: str, say: Say) -> None:
    found, warnings = scratch.compare(what.alias, name, what.dump)
    for warning in warnings:
        say(f"warning: {warning}")
    if found:
        raise BackupError(
            f"What was restored differs from the manifest of {what.set_name}, and was dropped: "
            f"{'; '.join(found[:_SHOWN])}. Restore another set: python manage.py db_backup --list."
        )
