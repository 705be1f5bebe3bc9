"""Restoring a set into a scratch database, to prove that it can be restored."""

import time
from datetime import datetime
from typing import NamedTuple

from marketplace.backups import scratch, sets, target_databases, verify
from marketplace.databases.names import database_name
from marketplace.exceptions import BackupError
from marketplace.postgresql import locks


class Drill(NamedTuple):
    """The result of one database's drill."""

    alias: str
    set_name: str
    tables: int
    rows: int
    #: From the start of the drill to the end of the restore: with the checks of the server and of
    #: the files, without the comparison.
    restore_seconds: float
    #: Duration of the whole drill.
    seconds: float
    #: Age of the data at the start of the drill.
    age_seconds: float
    differences: tuple[str, ...]
    #: About the signature, and archived months that cannot be read.
    warnings: tuple[str, ...]
    #: Databases of an interrupted drill, which were dropped.
    dropped: tuple[str, ...]


def drill(
    alias: str, set_name: str, now: datetime, *, jobs: int, is_unsigned_allowed: bool = False
) -> Drill:
    """Restore a database of a set into a scratch database, compare it, and drop it.

    No connection to the live database is opened.

    :param is_unsigned_allowed: whether to accept an unsigned set although a key is set
    :raises BackupError: if the signature is invalid, the set does not have the database, the server
        cannot hold it, it cannot be restored, or another drill is running
    """
    manifest, note = sets.read_trusted(set_name, is_unsigned_allowed=is_unsigned_allowed)
    if alias not in manifest.databases:
        raise BackupError(f"The set {set_name} does not contain {alias}.")
    dump, live = manifest.databases[alias], database_name(alias)
    target = scratch.temporary_name(live, "drill", set_name)
    started = time.monotonic()
    with target_databases.session(alias) as cursor, sets.shared_lock(set_name):
        target_databases.lock_for(cursor, locks.DRILL_OF + live)
        leftovers = scratch.leftovers(cursor, live, "drill")
        for name in leftovers:
            target_databases.drop(cursor, name)
        scratch.check_server(cursor, alias, dump)
        differences = verify.damaged_files(sets.path_of(set_name), alias, dump)
        warnings = [note] if note else []
        restored = time.monotonic()
        if not differences:
            with scratch.rebuilt(cursor, alias, set_name, dump, target, jobs=jobs):
                restored = time.monotonic()
                differences = scratch.compare(alias, target, dump)
                warnings += scratch.archive_warnings(alias, target)
            target_databases.drop(cursor, target)
    return Drill(
        alias,
        set_name,
        len(dump.tables),
        dump.rows,
        round(restored - started, 1),
        round(time.monotonic() - started, 1),
        (now - dump.started_at).total_seconds(),
        tuple(differences),
        tuple(warnings),
        tuple(leftovers),
    )
