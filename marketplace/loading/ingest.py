"""Load sources into the database of their platform, batch by batch."""

import logging
import os
import reprlib
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import Error, connections
from django.utils import timezone

from marketplace.exceptions import MarketplaceError, SourceError, name_error
from marketplace.loading import full_listings, reader_process, sources
from marketplace.loading.adapters import get_adapter
from marketplace.loading.formats import documents
from marketplace.loading.formats.documents import Entry
from marketplace.loading.items import Position
from marketplace.loading.models import INTERRUPTED, LoadRun, loading_models
from marketplace.loading.reader import Reader
from marketplace.loading.run_lock import find_interrupted, give_up
from marketplace.loading.runs import Run
from marketplace.loading.sources import Job, Message, SourceEnd, get_state_in_memory
from marketplace.loading.summary import Progress, Summary
from marketplace.loading.targets import Scope, get_plan
from marketplace.loading.values import quote
from marketplace.loading.writer import Writer
from marketplace.postgresql.errors import explain
from marketplace.registry import PLATFORMS, get_platform

logger = logging.getLogger(__name__)

__all__ = ["Progress", "Summary", "expand", "ingest", "load_documents", "resume", "resume_all"]


def ingest(
    platform: str,
    paths: Iterable[str],
    *,
    observed_at: datetime | None = None,
    options: Mapping[str, str] | None = None,
    columns: str | None = None,
    full_listing: str = "",
    progress: Progress = lambda summary: None,
) -> Summary:
    """Load files, folders and standard input ("-"). Loading the same input again changes nothing.

    A source that cannot be read is reported in `Summary.source_errors`; the others are loaded. If
    none of the paths exists, no run is created.

    :param observed_at: the time of the observations; if None, the time in each payload, or that of
        the first load of the same file, or now
    :param options: values for payloads that omit them: shop, lot, lot_type, currency, decimal
    :param columns: a mapping file, if the files are tables in another format than the platform's
    :param full_listing: "shop", "category" or "auto" if the sources list each of their shops or
        categories completely: anything else stored for these is marked missing
    :raises SourceError: if the platform is unknown, the mapping is not valid, none of the paths
        exists, or `observed_at` lies more than a day in the future
    :raises django.db.Error: if the database cannot be used
    """
    names = list(paths)
    files = tuple(file for path in names for file in expand(path))
    now = timezone.now()
    sources.check_observed_at(observed_at, now)
    job = Job(
        _check_platform(platform),
        files,
        observed_at,
        now,
        dict(options or {}),
        columns,
        full_listing=_check_full_listing(platform, full_listing),
    )
    # Raises the errors of the mapping before the run is created.
    reader = Reader(job)
    sources.check_paths(names)
    run = Run(job.alias, platform, " ".join(names), now, _as_json(job, names))
    return _load(job, run, reader, progress)


def load_documents(
    platform: str,
    payloads: Iterable[Any],
    *,
    name: str = documents.STANDARD_INPUT,
    observed_at: datetime | None = None,
    options: Mapping[str, str] | None = None,
    progress: Progress = lambda summary: None,
) -> Summary:
    """Load payloads that are in memory, as `ingest` loads those of a file.

    :param payloads: JSON values as the platform returned them
    :param name: the name of their source in messages and in the run
    :raises SourceError: if the platform is unknown, or `observed_at` is more than a day in the
        future
    """
    now = timezone.now()
    sources.check_observed_at(observed_at, now)
    job = Job(_check_platform(platform), (), observed_at, now, dict(options or {}))
    reader = Reader(job)
    entries = (_entry(f"payload {n}", payload) for n, payload in enumerate(payloads, 1))
    run = Run(job.alias, platform, name, now, _as_json(job, []))
    messages = reader.batches(entries, get_state_in_memory(job, name))
    return _load(job, run, reader, progress, messages)


def resume(alias: str, run_id: int, *, progress: Progress = lambda summary: None) -> Summary:
    """Resume a run that was interrupted, received or held. Committed batches are kept.

    The records that a gate holds are loaded, and the gates let them pass.

    :raises SourceError: if the run does not exist, or it is complete
    """
    row = loading_models(alias).runs.filter(pk=run_id).first()
    if row is None:
        raise SourceError(f"{alias} has no run {run_id}. The admin lists the runs under Load runs.")
    if row.status in (LoadRun.Status.HELD, LoadRun.Status.FAILED) and row.options.get("scope"):
        return _release_missing(alias, row, progress)
    job = _remaining(alias, row)
    # Raises the errors of the mapping before the run is locked.
    table = Reader(job).table
    run = Run(alias, row.platform, row.source, row.started_at, row.options, pk=run_id)
    checkpoints = run.checkpoints()
    if job.full_listing:
        # A full listing is read from the start: missing items are known only after all its records.
        checkpoints = {
            path: checkpoint._replace(position=Position(), is_complete=False)
            for path, checkpoint in checkpoints.items()
        }
    job = replace(job, checkpoints=checkpoints)
    return _load(job, run, Reader(job, table), progress)


def resume_all(
    platform: str | None = None, *, progress: Progress = lambda summary: None
) -> Iterator[Summary]:
    """Resume the runs that were interrupted, the oldest first, and yield their summaries.

    An error of one run does not prevent the others from being resumed. The `source_errors` of a
    summary state why a run failed or cannot be resumed, or why a database cannot be used.

    :param platform: resume the runs of this platform; of all platforms if None
    :raises SourceError: if the platform is unknown
    """
    names = [_check_platform(platform)] if platform else [entry.name for entry in PLATFORMS]
    for name in names:
        alias = get_platform(name).database
        try:
            rows = find_interrupted(alias, name)
        except (Error, MarketplaceError) as error:
            _renew(alias)
            yield Summary(name, source_errors=[f"{alias}: {explain(error)}"])
            continue
        for row in rows:
            yield _resume(alias, row, progress)


def _resume(alias: str, row: Any, progress: Progress) -> Summary:
    """Resume a run. If it cannot be resumed, store the reason, so that it is not tried again."""
    name = f"{row.platform}-{row.pk}"
    try:
        return resume(alias, row.pk, progress=progress)
    except Exception as error:  # noqa: BLE001 # the other runs must be resumed
        failure = name_failure(name, error)
        if isinstance(error, SourceError):
            with suppress(Error, MarketplaceError):
                give_up(alias, row, failure)
        _renew(alias)
        return Summary(row.platform, row.pk, source_errors=[f"{name}: {failure}"])


def name_failure(name: str, error: Exception) -> str:
    """Return why a run failed. Log unexpected errors with their traceback.

    :param name: the address of the run, such as uzum-17
    """
    if isinstance(error, Error | MarketplaceError):
        return explain(error)
    logger.error("Loading %s failed", name, exc_info=error)
    return f"{name_error(error)}. The log has a traceback."


def _renew(alias: str) -> None:
    """Close a connection that an error has made unusable, so that the next run opens a new one."""
    with suppress(Error, MarketplaceError):
        connections[alias].close_if_unusable_or_obsolete()


def _release_missing(alias: str, row: Any, progress: Progress) -> Summary:
    """Mark the items missing which a held full listing lacks."""
    scope = Scope.from_json(row.options["scope"])
    job = Job(row.platform, (), None, row.started_at, is_released=True)
    run = Run(alias, row.platform, row.source, row.started_at, row.options, pk=row.pk)
    reader = Reader(job)
    summary = _load(job, run, reader, progress, _missing_items(reader, scope))
    summary.missing = summary.read
    run.keep_scope(None)
    return summary


def _missing_items(reader: Reader, scope: Scope) -> Iterator[Message]:
    yield get_state_in_memory(reader.job, "missing items").start_message
    yield from reader.missing(scope)
    yield SourceEnd()


def _is_releasing(row: Any) -> bool:
    """Return whether a run was interrupted while its held records were being loaded."""
    is_holding = row.chunks.filter(is_held=True).exists()
    return is_holding and bool(row.sources.filter(path__startswith=sources.HELD).exists())


def _remaining(alias: str, row: Any) -> Job:
    """Return the job that reads the rest of a run.

    :raises SourceError: if nothing is left to read
    """
    name = f"Run {row.platform}-{row.pk}"
    if row.status in (LoadRun.Status.COMPLETED, LoadRun.Status.DISCARDED):
        raise SourceError(f"{name} is {row.status} and cannot be resumed.")
    stored = row.options
    paths = [source for path in stored.get("paths", []) for source in expand(path)]
    is_held = row.status == LoadRun.Status.HELD or _is_releasing(row)
    if (is_held or not paths) and row.chunks.filter(is_held=is_held).exists():
        paths = [row.pk]
    elif documents.STANDARD_INPUT in paths:
        raise SourceError(
            f"{name} read standard input, which cannot be read again. Load the same input again: "
            "records that are loaded already are not loaded twice."
        )
    elif is_held or not (paths or row.chunks.exists()):
        raise SourceError(
            f"{name} ({row.source}) has nothing left to read. Load its sources again."
        )
    text = stored.get("observed_at")
    observed_at = datetime.fromisoformat(text) if text else None
    options, columns = stored.get("options", {}), stored.get("columns")
    job = Job(row.platform, tuple(paths), observed_at, row.started_at, options, columns)
    if is_held:
        # The held part of a full listing does not show which items are missing from the listing.
        return replace(job, is_held=True)
    # Options that earlier releases stored have the name "snapshot".
    return replace(job, full_listing=stored.get("full_listing", stored.get("snapshot", "")))


def _check_full_listing(platform: str, kind: str) -> str:
    """Return the kind of a full listing.

    :raises SourceError: if the kind is unknown, or the platform has no full listings
    """
    if kind and kind not in full_listings.KINDS:
        kinds = ", ".join(full_listings.KINDS)
        raise SourceError(f"Unknown kind of full listing {quote(kind)}. Use one of: {kinds}.")
    if kind and get_plan(get_platform(platform).database).find_missing is None:
        raise SourceError(
            f"--full-listing is not supported for {platform}: an item that is missing from its "
            "listings is not necessarily gone. Omit the option."
        )
    return kind


def _check_platform(platform: str) -> str:
    """Return the name of a platform.

    :raises SourceError: if it is unknown, or its adapter cannot be imported
    """
    get_adapter(platform)
    return platform


def _as_json(job: Job, paths: list[str]) -> dict[str, Any]:
    """Return the arguments of a run, as its row stores them."""
    return {
        "paths": [
            path if path == documents.STANDARD_INPUT else os.path.abspath(path) for path in paths
        ],
        "observed_at": job.observed_at and job.observed_at.isoformat(),
        "options": dict(job.options),
        "columns": job.columns and os.path.abspath(job.columns),
        "full_listing": job.full_listing,
    }


def _entry(place: str, payload: Any) -> Entry:
    """Return a payload without the characters that PostgreSQL cannot store."""
    try:
        return Entry(place, documents.clean(payload))
    except ValueError as error:
        return Entry(place, fault=f"cannot be read: {error}", raw=reprlib.repr(payload).encode())


def _load(
    job: Job,
    run: Run,
    reader: Reader,
    progress: Progress,
    messages: Iterator[Message] | None = None,
) -> Summary:
    started = time.monotonic()
    writer = Writer(job, run, reader, progress)
    if messages is None:
        if reader_process.is_worth_it(job):
            messages = reader_process.read(job, writer.pack_ahead)
        else:
            messages = reader.read_all()
    try:
        with closing(messages):  # type: ignore[type-var]
            for message in messages:
                writer.take(message)
                # Release its memory before the next one is received.
                del message
        writer.finish()
    except BaseException as error:
        # If this fails, too, such as on a lost connection, the next run ends this one.
        with suppress(Exception):
            status = LoadRun.Status.HELD if job.is_held else LoadRun.Status.FAILED
            run.finish(status, f"{INTERRUPTED}{name_error(error)}")
        raise
    writer.summary.seconds = round(time.monotonic() - started, 3)
    return writer.summary


def expand(path: str) -> list[str]:
    """Return the files of a folder, sorted by path; any other path unchanged.

    :raises SourceError: if the path is empty
    """
    if not path:
        raise SourceError("A path is empty. Specify a file, a folder, or - for standard input.")
    if path != documents.STANDARD_INPUT and os.path.isdir(path):
        files = (entry for entry in Path(path).rglob("*") if entry.is_file())
        return sorted(str(entry) for entry in files if not entry.name.startswith("."))
    return [path]
