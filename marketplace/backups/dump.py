"""Writing a backup set: all databases are dumped in parallel, each from its own snapshot."""

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

from marketplace.backups import clients, content, files, manifests, sets, target_databases
from marketplace.backups.clients import Client, RunningProgram
from marketplace.backups.content import DatabaseContent
from marketplace.backups.manifests import BackupManifest, Dump, File
from marketplace.backups.snapshot import LOCK_TIMEOUT, Snapshot, held_snapshot
from marketplace.databases.names import database_name
from marketplace.exceptions import BackupError, MarketplaceError
from marketplace.humanize import file_size
from marketplace.postgresql.errors import explain

#: Compression methods and levels of pg_dump, in order of preference. At these levels, compressing
#: takes about as long as reading; higher levels take twice as long and save about 10 %.
COMPRESSIONS = ("zstd:3", "gzip:2")

#: Estimated size of a dump relative to its database, if no earlier set has the database.
_DEFAULT_RATIO = 0.5
#: Safety margin of an estimate that is based on the newest dump.
_MARGIN = 1.2

#: pg_dump jobs started per allowed job, so that no core is idle.
_OVERSUBSCRIPTION = 1.5

#: Seconds between two checks whether a dump has ended.
_POLL_INTERVAL = 0.02

#: Errors of one database that do not affect the dumps of the others.
_FAILURES = (Error, MarketplaceError, ImproperlyConfigured)

#: Called with an alias and its dump, or the reason why it failed.
Report = Callable[[str, Dump | str], None]


class BackupPlan(NamedTuple):
    """The databases that a backup will dump."""

    #: Alias → the pg_dump to use, its compression and the estimated size.
    databases: dict[str, "PlannedDump"]
    #: Alias → the reason why it cannot be dumped.
    failed: dict[str, str]


class PlannedDump(NamedTuple):
    """The dump of one database, before it starts."""

    client: Client
    compression: str
    size_bytes: int
    estimated_bytes: int


@dataclass
class _RunningDump:
    """A database that is being dumped."""

    plan: PlannedDump
    snapshot: Snapshot
    folder: Path
    program: RunningProgram
    #: By the monotonic clock.
    started: float
    content: DatabaseContent | None = None


def plan(aliases: Sequence[str]) -> BackupPlan:
    """Check whether the databases can be dumped and fit on the disk. Nothing is written.

    :raises BackupError: if the disk has too little space for the set
    """
    planned: dict[str, PlannedDump] = {}
    failed: dict[str, str] = {}
    for alias in aliases:
        try:
            planned[alias] = _plan_dump(alias)
        except _FAILURES as error:
            failed[alias] = explain(error)
    _require_free_space(planned)
    return BackupPlan(planned, failed)


def back_up(
    aliases: Sequence[str], now: datetime, *, jobs: int, report: Report | None = None
) -> BackupManifest:
    """Write a set of the databases; return its manifest, which also lists the failed databases.

    An interrupted backup does not leave an incomplete set. The caller must hold
    `sets.exclusive_lock`.

    :param jobs: processes of pg_dump that compress in parallel, over all databases
    :raises BackupError: if the folder cannot be written, the disk has too little space, or no
        database could be dumped
    """
    report = report or (lambda alias, outcome: None)
    planned, failed = plan(aliases)
    for alias, reason in failed.items():
        report(alias, reason)
    name = sets.free_name(now)
    with sets.unfinished(name) as path, ExitStack() as stack:
        running = _start(planned, path, jobs, stack, failed, report)
        dumps = _finish(running, failed, report)
        if not dumps:
            raise BackupError("No database could be dumped: no set was written.")
        ordered = {alias: dumps[alias] for alias in aliases if alias in dumps}
        manifest = BackupManifest(name, now, datetime.now(UTC), ordered, failed)
        # The manifest is written last: a folder without one is not a set.
        manifests.write(manifest, path)
    return manifest


# Planning


def _plan_dump(alias: str) -> PlannedDump:
    with target_databases.session(alias, database_name(alias)) as cursor:
        cursor.execute(
            "SELECT current_setting('server_version_num')::int / 10000, "
            "pg_database_size(current_database())"
        )
        major, size = cursor.fetchone()
    client = clients.find("pg_dump", alias, major)
    compression = next(
        compression
        for compression in COMPRESSIONS
        if clients.compresses(client.path, compression.partition(":")[0])
    )
    return PlannedDump(client, compression, size, _estimate_bytes(alias, size))


def _estimate_bytes(alias: str, size: int) -> int:
    """Return the expected size of a dump, based on the newest dump and the growth since then."""
    for _, manifest in sets.readable():
        if alias in manifest.databases:
            newest = manifest.databases[alias]
            return int(newest.bytes * _MARGIN * max(size / newest.size_bytes, 1))
    return int(size * _DEFAULT_RATIO)


def _require_free_space(planned: Mapping[str, PlannedDump]) -> None:
    needed = sum(dump.estimated_bytes for dump in planned.values())
    free = _free_bytes()
    if needed + sets.RESERVE > free:
        raise BackupError(
            f"The disk of {sets.folder()} has {file_size(free)} free. The set needs about "
            f"{file_size(needed)}, and {file_size(sets.RESERVE)} must stay free. Free some "
            "space, set BACKUP_DIR to another disk, or keep fewer sets (--keep-daily, "
            "--keep-weekly, --keep-monthly)."
        )


def _require_reserve() -> None:
    if (free := _free_bytes()) < sets.RESERVE:
        raise BackupError(
            f"Backup aborted: only {file_size(free)} free on the disk of {sets.folder()}. Free "
            "some space, or set BACKUP_DIR to another disk."
        )


def _free_bytes() -> int:
    try:
        return shutil.disk_usage(_first_existing(sets.folder())).free
    except OSError as error:
        raise sets.not_writable(error) from error


def _first_existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


# Dumping


def _start(
    planned: Mapping[str, PlannedDump],
    path: Path,
    jobs: int,
    stack: ExitStack,
    failed: dict[str, str],
    report: Report,
) -> dict[str, _RunningDump]:
    """Take all snapshots, then start all dumps."""
    snapshots: dict[str, Snapshot] = {}
    for alias in planned:
        try:
            snapshots[alias] = stack.enter_context(held_snapshot(alias))
        except _FAILURES as error:
            failed[alias] = explain(error)
            report(alias, failed[alias])
    total = sum(planned[alias].size_bytes for alias in snapshots) or 1
    running = {}
    for alias, snapshot in snapshots.items():
        dump, folder = planned[alias], path / alias
        # The processes are divided in proportion to the sizes, so that all dumps end at about the
        # same time. There are more processes than cores, because small dumps end earlier.
        share = min(math.ceil(jobs * _OVERSUBSCRIPTION * dump.size_bytes / total), jobs)
        command = _command(dump, folder, snapshot.identifier, share)
        variables = clients.environment(alias, database_name(alias))
        program = stack.enter_context(clients.running(command, variables))
        running[alias] = _RunningDump(dump, snapshot, folder, program, time.monotonic())
    return running


def _command(dump: PlannedDump, folder: Path, snapshot: str, jobs: int) -> list[str]:
    method, _, level = dump.compression.partition(":")
    return [
        str(dump.client.path),
        "--format=directory",
        f"--file={folder}",
        f"--jobs={jobs}",
        # Before version 16, pg_dump only accepts a gzip level.
        f"--compress={level if method == 'gzip' else dump.compression}",
        f"--snapshot={snapshot}",
        f"--lock-wait-timeout={LOCK_TIMEOUT * 1000}",
        "--no-password",
    ]


def _finish(
    running: dict[str, _RunningDump], failed: dict[str, str], report: Report
) -> dict[str, Dump]:
    """Count rows while the dumps run; return the dumps when all have ended."""
    dumps: dict[str, Dump] = {}
    # Start with the smallest, so that its snapshot is released early.
    waiting = sorted(running, key=lambda alias: running[alias].plan.size_bytes)
    while waiting:
        clients.stop_if_signaled()
        _require_reserve()
        for alias in list(waiting):
            outcome = _poll(alias, running[alias])
            if outcome is None:
                continue
            waiting.remove(alias)
            report(alias, outcome)
            if isinstance(outcome, Dump):
                dumps[alias] = outcome
            else:
                failed[alias] = outcome
        time.sleep(_POLL_INTERVAL)
    return dumps


def _poll(alias: str, running: _RunningDump) -> Dump | str | None:
    """Return the dump if it has ended, the reason if it failed, or None while it runs."""
    try:
        return _advance(alias, running)
    except _FAILURES as error:
        running.program.stop()
        shutil.rmtree(running.folder, ignore_errors=True)
        return explain(error)


def _advance(alias: str, running: _RunningDump) -> Dump | None:
    if running.content is None:
        cursor = running.snapshot.cursor
        running.content = replace(content.collect(cursor, alias), tables=content.count_rows(cursor))
        return None
    code = running.program.process.poll()
    if code is None:
        return None
    if code:
        raise BackupError(f"pg_dump failed: {running.program.error_text()}")
    # The processes of pg_dump have ended, so the snapshot is not needed any more.
    running.snapshot.cursor.execute("ROLLBACK")
    return Dump(
        **vars(running.content),
        started_at=running.snapshot.started_at,
        seconds=round(time.monotonic() - running.started, 1),
        client=running.plan.client.version,
        compression=running.plan.compression,
        files={
            path: File(file.stat().st_size, files.digest(file))
            for path, file in files.list_files(running.folder).items()
        },
    )
