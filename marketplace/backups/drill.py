"""Restoring a set for practice: what is never restored is not known to be a backup."""

import time
from datetime import datetime
from typing import NamedTuple

from marketplace.backups import scratch, sets, signing, target_databases, verify
from marketplace.databases.names import database_name
from marketplace.exceptions import BackupError


class Drill(NamedTuple):
    """How restoring a database went."""

    alias: str
    set_name: str
    tables: int
    rows: int
    #: Restoring, without the comparison.
    restore_seconds: float
    seconds: float
    #: Of the data, at the begin of the drill.
    age_seconds: float
    differences: tuple[str, ...]
    #: What differs, and does not make it less than it was; what it names outside of itself that is
    #: not there.
    warnings: tuple[str, ...]
    #: Databases that an interrupted drill had left.
    dropped: tuple[str, ...]


def drill(
    alias: str, set_name: str, now: datetime, *, jobs: int, is_unsigned_allowed: bool = False
) -> Drill:
    """Restore a database of a set into a scratch database, compare it, and drop it.

    The live database is not connected to.

    :param is_unsigned_allowed: whether a set without a signature passes though there is a key
    :raises BackupError: if the signature is not valid, the set lacks the database, the server
        cannot take it, it cannot be restored, or another drill is at work
    """
    manifest = sets.read(set_name)
    note = signing.check(set_name, manifest.signature, is_unsigned_allowed=is_unsigned_allowed)
    if alias not in manifest.databases:
        raise BackupError(f"The set {set_name} has no {alias}.")
    dump, live = manifest.databases[alias], database_name(alias)
    target = scratch.beside(live, "drill", set_name)
    began = time.monotonic()
    with target_databases.session(alias) as cursor, sets.in_use(set_name):
        target_databases.take_turn(cursor, f"drill of {live}")
        left = scratch.leftovers(cursor, live, "drill")
        for name in left:
            target_databases.drop(cursor, name)
        scratch.check(cursor, alias, dump)
        found = verify.damages(sets.path_of(set_name), alias, dump)
        warnings = [note] if note else []
        restored = time.monotonic()
        if not found:
            with scratch.rebuilt(cursor, alias, set_name, dump, target, jobs=jobs):
                restored = time.monotonic()
                found, others = scratch.compare(alias, target, dump)
                warnings += others + scratch.lacking_files(alias, target)
            target_databases.drop(cursor, target)
    return Drill(
        alias,
        set_name,
        len(dump.tables),
        dump.rows,
        round(restored - began, 1),
        round(time.monotonic() - began, 1),
        (now - dump.started_at).total_seconds(),
        tuple(found),
        tuple(warnings),
        tuple(left),
    )
