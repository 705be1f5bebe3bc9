"""Writing a backup set: all databases at once, each as it was in the moment of its snapshot."""

import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.db import Error

from marketplace.backups import clients, files, manifests, sets, target_databases
from marketplace.backups import content as facts
from marketplace.backups.clients import Client, Running
from marketplace.backups.content import Facts
from marketplace.backups.manifests import Dump, File, Manifest
from marketplace.backups.snapshot import LOCK_TIMEOUT, Snapshot, frozen
from marketplace.databases.names import database_name
from marketplace.exceptions import BackupError, MarketplaceError
from marketplace.postgresql.errors import explain

#: What pg_dump compresses with, the best first. Levels are those at which compressing costs about
#: as much as reading: higher ones take twice the time and save a tenth.
COMPRESSIONS = ("zstd:3", "gzip:2")

#: Bytes of a dump for each byte of its database, where no earlier set tells.
_USUAL_SHARE = 0.5
_MARGIN = 1.2

#: Processes for each that may compress at once.
_SURPLUS = 1.5

#: Seconds between two looks whether a dump has ended.
_PAUSE = 0.02

#: What may go wrong with one database while the others are dumped.
_FAILURES = (Error, MarketplaceError, ImproperlyConfigured)

#: Gets an alias and its dump, or why there is none.
Report = Callable[[str, Dump | str], None]


class Plan(NamedTuple):
    """What a backup is going to do."""

    #: Alias → the pg_dump to take, its compression, and what it is expected to write.
    databases: dict[str, "Item"]
    failed: dict[str, str]


class Item(NamedTuple):
    """One database of a plan."""

    client: Client
    compression: str
    size_bytes: int
    estimated_bytes: int


@dataclass
class _Work:
    """A database that is being dumped."""

    item: Item
    snapshot: Snapshot
    folder: Path
    program: Running
    began: float
    facts: Facts | None = None


def plan(aliases: Sequence[str]) -> Plan:
    """Look whether the databases can be dumped, and into which room; write nothing.

    :raises BackupError: if there is no room for the set, or none of them can be dumped
    """
    items: dict[str, Item] = {}
    failed: dict[str, str] = {}
    for alias in aliases:
        try:
            items[alias] = _item(alias)
        except _FAILURES as error:
            failed[alias] = explain(error)
    _check_room(items)
    return Plan(items, failed)


def back_up(
    aliases: Sequence[str], now: datetime, *, jobs: int, report: Report | None = None
) -> Manifest:
    """Write a set of the databases; return its manifest, which names those that failed, too.

    Interrupted at whatever moment, it leaves nothing that looks like a set. To be called by who is
    `sets.exclusive`.

    :param jobs: processes of pg_dump that compress at once, over all databases
    :raises BackupError: if the folder cannot be written, there is no room, or no database could be
        dumped
    """
    tell = report or (lambda alias, outcome: None)
    items, failed = plan(aliases)
    for alias, reason in failed.items():
        tell(alias, reason)
    name = sets.free_name(now)
    with sets.unfinished(name) as path, ExitStack() as stack:
        works = _begin(items, path, jobs, stack, failed, tell)
        dumps = _finish(works, failed, tell)
        if not dumps:
            raise BackupError("No database could be dumped: no set was written.")
        ordered = {alias: dumps[alias] for alias in aliases if alias in dumps}
        manifest = Manifest(name, now, datetime.now(UTC), ordered, failed)
        # Last: a set without it is none.
        manifests.write(manifest, path)
    return manifest


# Planning


def _item(alias: str) -> Item:
    with target_databases.session(alias, database_name(alias)) as cursor:
        cursor.execute(
            "SELECT current_setting('server_version_num')::int / 10000, "
            "pg_database_size(current_database())"
        )
        major, size = cursor.fetchone()
    client = clients.find("pg_dump", alias, major)
    compression = next(
        each for each in COMPRESSIONS if clients.compresses(client.path, each.partition(":")[0])
    )
    return Item(client, compression, size, _estimate(alias, size))


def _estimate(alias: str, size: int) -> int:
    """Return how large a dump will be, from the newest one and the growth since then."""
    for _, manifest in sets.readable():
        if alias in manifest.databases:
            before = manifest.databases[alias]
            return int(before.bytes * _MARGIN * max(size / before.size_bytes, 1))
    return int(size * _USUAL_SHARE)


def _check_room(items: Mapping[str, Item]) -> None:
    needed = sum(item.estimated_bytes for item in items.values())
    free = _free()
    if needed + sets.RESERVE > free:
        raise BackupError(
            f"The disk of {sets.folder()} has {free / 1e6:,.0f} MB free. The set needs about "
            f"{needed / 1e6:,.0f} MB, and {sets.RESERVE / 1e6:,.0f} MB shall stay free. Free some, "
            "set BACKUP_DIR to another disk, or keep fewer sets (--keep-daily, --keep-weekly, "
            "--keep-monthly)."
        )


def _watch_room() -> None:
    if (free := _free()) < sets.RESERVE:
        raise BackupError(
            f"The disk of {sets.folder()} has only {free / 1e6:,.0f} MB left: given up before it "
            "is full. Free some, or set BACKUP_DIR to another disk."
        )


def _free() -> int:
    try:
        return shutil.disk_usage(_existing(sets.folder())).free
    except OSError as error:
        raise sets.not_writable(error) from error


def _existing(path: Path) -> Path:
    return next(each for each in (path, *path.parents) if each.exists())


# Dumping


def _begin(
    items: Mapping[str, Item],
    path: Path,
    jobs: int,
    stack: ExitStack,
    failed: dict[str, str],
    tell: Report,
) -> dict[str, _Work]:
    """Take all snapshots, then start all dumps."""
    snapshots: dict[str, Snapshot] = {}
    for alias in items:
        try:
            snapshots[alias] = stack.enter_context(frozen(alias))
        except _FAILURES as error:
            failed[alias] = explain(error)
            tell(alias, failed[alias])
    total = sum(items[alias].size_bytes for alias in snapshots) or 1
    works = {}
    for alias, snapshot in snapshots.items():
        item, folder = items[alias], path / alias
        # Each gets its share of the processes, so that all end at about the same time; a little
        # more than there are cores, as no core shall be idle when the smaller ones have ended.
        share = min(math.ceil(jobs * _SURPLUS * item.size_bytes / total), jobs)
        command = _command(item, folder, snapshot.identifier, share)
        variables = clients.environment(alias, database_name(alias))
        program = stack.enter_context(clients.running(command, variables))
        works[alias] = _Work(item, snapshot, folder, program, time.monotonic())
    return works


def _command(item: Item, folder: Path, snapshot: str, jobs: int) -> list[str]:
    method, _, level = item.compression.partition(":")
    return [
        str(item.client.path),
        "--format=directory",
        f"--file={folder}",
        f"--jobs={jobs}",
        # Before version 16, pg_dump knows levels of gzip only.
        f"--compress={level if method == 'gzip' else item.compression}",
        f"--snapshot={snapshot}",
        f"--lock-wait-timeout={LOCK_TIMEOUT * 1000}",
        "--no-password",
    ]


def _finish(works: dict[str, _Work], failed: dict[str, str], tell: Report) -> dict[str, Dump]:
    """Count rows while the dumps run; then take each as it ends."""
    dumps: dict[str, Dump] = {}
    # The smallest first, so that its snapshot is soon let go.
    waiting = sorted(works, key=lambda alias: works[alias].item.size_bytes)
    while waiting:
        clients.stop_if_told()
        _watch_room()
        for alias in list(waiting):
            outcome = _outcome(alias, works[alias])
            if outcome is None:
                continue
            waiting.remove(alias)
            tell(alias, outcome)
            if isinstance(outcome, Dump):
                dumps[alias] = outcome
            else:
                failed[alias] = outcome
        time.sleep(_PAUSE)
    return dumps


def _outcome(alias: str, work: _Work) -> Dump | str | None:
    """Do what can be done for a database now; return its dump, or why there is none."""
    try:
        return _advance(alias, work)
    except _FAILURES as error:
        work.program.stop()
        shutil.rmtree(work.folder, ignore_errors=True)
        return explain(error)


def _advance(alias: str, work: _Work) -> Dump | None:
    if work.facts is None:
        told = facts.tell(work.snapshot.cursor, alias)
        work.facts = replace(told, tables=facts.count(work.snapshot.cursor))
        return None
    code = work.program.process.poll()
    if code is None:
        return None
    if code:
        raise BackupError(f"pg_dump failed: {work.program.complaint()}")
    # Until now processes of pg_dump could need the snapshot.
    work.snapshot.cursor.execute("ROLLBACK")
    return Dump(
        **vars(work.facts),
        started_at=work.snapshot.started_at,
        seconds=round(time.monotonic() - work.began, 1),
        client=work.item.client.version,
        compression=work.item.compression,
        files={
            path: File(file.stat().st_size, files.digest(file))
            for path, file in files.below(work.folder).items()
        },
    )
