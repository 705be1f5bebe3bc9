"""Loading: from sources through a platform's adapter into its database, batch by batch."""

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
from marketplace.loading import full_listings, reader_process
from marketplace.loading import sources as jobs
from marketplace.loading.adapters import get_adapter
from marketplace.loading.database_models import loading_models
from marketplace.loading.formats import documents
from marketplace.loading.formats.documents import Entry
from marketplace.loading.interrupted_runs import find_interrupted, give_up
from marketplace.loading.models import INTERRUPTED, LoadRun
from marketplace.loading.reader import Reader
from marketplace.loading.runs import Run
from marketplace.loading.sources import Job, Message, SourceEnd
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
    """Load files, folders and standard input ("-"). Loading the same again changes nothing.

    A source that cannot be read is named in the summary's `failures`; the others are loaded.

    :param observed_at: time of the observations; if None, the times in the payloads, or that of the
        first load of the same file, or now
    :param options: what adapters may use where a payload is silent: shop, lot, lot_type, currency,
        decimal
    :param columns: a mapping file, if the files are tables in another form than the platform's own
    :param full_listing: "shop", "category" or "auto" if the sources are the complete listing of
        each shop or category in them: anything else stored for these is marked missing
    :raises SourceError: if the platform is unknown, the mapping is wrong, or `observed_at` lies
        more than a day in the future
    :raises django.db.Error: if the database cannot be used
    """
    names = list(paths)
    sources = tuple(name for path in names for name in expand(path))
    now = timezone.now()
    jobs.check_observed_at(observed_at, now)
    job = Job(
        _known(platform),
        sources,
        observed_at,
        now,
        dict(options or {}),
        columns,
        full_listing=_check_full_listing(platform, full_listing),
    )
    # What is wrong with the mapping shows before a run begins.
    own = Reader(job)
    run = Run(job.alias, platform, " ".join(names), now, _as_json(job, names))
    return _load(job, run, own, progress)


def load_documents(
    platform: str,
    payloads: Iterable[Any],
    *,
    name: str = documents.STANDARD_INPUT,
    observed_at: datetime | None = None,
    options: Mapping[str, str] | None = None,
    progress: Progress = lambda summary: None,
) -> Summary:
    """Load payloads that are in memory already, as `ingest` loads those of a file.

    :param payloads: JSON values as the platform returned them
    :param name: what to call their source in messages and in the run
    :raises SourceError: if the platform is unknown, or `observed_at` lies more than a day in the
        future
    """
    now = timezone.now()
    jobs.check_observed_at(observed_at, now)
    job = Job(_known(platform), (), observed_at, now, dict(options or {}))
    own = Reader(job)
    entries = (_entry(f"payload {n}", payload) for n, payload in enumerate(payloads, 1))
    run = Run(job.alias, platform, name, now, _as_json(job, []))
    return _load(job, run, own, progress, own.batches(entries, jobs.given(job, name)))


def resume(alias: str, run_id: int, *, progress: Progress = lambda summary: None) -> Summary:
    """Go on with a run that was interrupted, received, or held; what it has done stays done.

    What a gate held is loaded now, whatever the gates say.

    :raises SourceError: if there is no such run, or nothing of it is left to do
    """
    row = loading_models(alias).runs.filter(pk=run_id).first()
    if row is None:
        raise SourceError(f"{alias} has no run {run_id}. See them in the admin, under Load runs.")
    if row.status in (LoadRun.Status.HELD, LoadRun.Status.FAILED) and row.options.get("scope"):
        return _release_missing(alias, row, progress)
    job = _remaining(alias, row)
    # What is wrong with the mapping shows before the run is taken.
    table = Reader(job).table
    run = Run(alias, row.platform, row.source, row.started_at, row.options, pk=run_id)
    # What a full listing lacks is told by the whole of it only: it is read from the beginning.
    begun = run.checkpoints()
    if job.full_listing:
        begun = {path: each._replace(position=0, is_complete=False) for path, each in begun.items()}
    job = replace(job, begun=begun)
    return _load(job, run, Reader(job, table), progress)


def resume_all(
    platform: str | None = None, *, progress: Progress = lambda summary: None
) -> Iterator[Summary]:
    """Resume the runs that were interrupted, the oldest first.

    Whatever error one of them ends with, the others are resumed. A summary's failures say why a run
    failed, or cannot be resumed, such as one of standard input, or why a database cannot be used.

    :param platform: whose runs; of all platforms if None
    :raises SourceError: if the platform is unknown
    """
    names = [_known(platform)] if platform else [each.name for each in PLATFORMS]
    for name in names:
        alias = get_platform(name).database
        try:
            rows = find_interrupted(alias, name)
        except (Error, MarketplaceError) as error:
            _renew(alias)
            yield Summary(name, failures=[f"{alias}: {explain(error)}"])
            continue
        for row in rows:
            yield _resume(alias, row, progress)


def _resume(alias: str, row: Any, progress: Progress) -> Summary:
    """Resume a run; note why it cannot be resumed, so that it is not tried again."""
    name = f"{row.platform}-{row.pk}"
    try:
        return resume(alias, row.pk, progress=progress)
    except Exception as error:  # noqa: BLE001 # of one run: the others must not wait for it
        failure = name_failure(name, error)
        if isinstance(error, SourceError):
            with suppress(Error, MarketplaceError):
                give_up(alias, row, failure)
        _renew(alias)
        return Summary(row.platform, row.pk, failures=[f"{name}: {failure}"])


def name_failure(name: str, error: Exception) -> str:
    """Return why a run failed; an error that nobody expected is also logged, with its traceback.

    :param name: of the run, such as uzum-17
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
    """Mark the items missing that a held full listing lacked."""
    scope = Scope.from_json(row.options["scope"])
    job = Job(row.platform, (), None, row.started_at, is_released=True)
    run = Run(alias, row.platform, row.source, row.started_at, row.options, pk=row.pk)
    own = Reader(job)
    summary = _load(job, run, own, progress, _missing(own, scope))
    summary.missing = summary.read
    run.keep_scope(None)
    return summary


def _missing(own: Reader, scope: Scope) -> Iterator[Message]:
    yield jobs.given(own.job, "what is missing").message
    yield from own.missing(scope)
    yield SourceEnd()


def _is_releasing(row: Any) -> bool:
    """Return whether a run was interrupted while what a gate held of it was being loaded."""
    is_holding = row.chunks.filter(is_held=True).exists()
    return is_holding and bool(row.sources.filter(path__startswith=jobs.HELD).exists())


def _remaining(alias: str, row: Any) -> Job:
    """Return what a run has still to read."""
    name = f"Run {row.platform}-{row.pk}"
    if row.status in (LoadRun.Status.COMPLETED, LoadRun.Status.DISCARDED):
        raise SourceError(f"{name} is {row.status}: nothing of it is left to do.")
    called = row.options
    paths = [source for path in called.get("paths", []) for source in expand(path)]
    is_held = row.status == LoadRun.Status.HELD or _is_releasing(row)
    if (is_held or not paths) and row.chunks.filter(is_held=is_held).exists():
        paths = [row.pk]
    elif documents.STANDARD_INPUT in paths:
        raise SourceError(
            f"{name} read standard input, which is gone. Send the same again: what was loaded "
            "already is not loaded twice."
        )
    elif is_held or not (paths or row.chunks.exists()):
        raise SourceError(f"{name} ({row.source}) has nothing left to read. Start it again.")
    moment = called.get("observed_at")
    observed_at = datetime.fromisoformat(moment) if moment else None
    options, columns = called.get("options", {}), called.get("columns")
    job = Job(row.platform, tuple(paths), observed_at, row.started_at, options, columns)
    if is_held:
        # A part of a full listing does not tell what the whole of it lacks.
        return replace(job, is_held=True)
    return replace(job, full_listing=called.get("full_listing", called.get("snapshot", "")))


def _check_full_listing(platform: str, kind: str) -> str:
    """Return of what the sources are the full listing, if that can be.

    :raises SourceError: if it cannot
    """
    if kind and kind not in full_listings.KINDS:
        raise SourceError(
            f"Unknown full listing {quote(kind)}. Use one of: {', '.join(full_listings.KINDS)}."
        )
    if kind and get_plan(get_platform(platform).database).find_missing is None:
        raise SourceError(f"{platform} has no full listings: what it does not list is not gone.")
    return kind


def _known(platform: str) -> str:
    get_adapter(platform)
    return platform


def _as_json(job: Job, paths: list[str]) -> dict[str, Any]:
    """Return how a run was called, as its row keeps it."""
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
    """Return a payload without what PostgreSQL cannot store."""
    try:
        return Entry(place, documents.clean(payload))
    except ValueError as error:
        return Entry(place, fault=f"cannot be read: {error}", raw=reprlib.repr(payload).encode())


def _load(
    job: Job,
    run: Run,
    own: Reader,
    progress: Progress,
    messages: Iterator[Message] | None = None,
) -> Summary:
    started = time.monotonic()
    loader = Writer(job, run, own, progress)
    if messages is None:
        is_apart = reader_process.is_worth_it(job)
        messages = reader_process.read(job, loader.pack_ahead) if is_apart else own.read_all()
    try:
        with closing(messages):  # type: ignore[type-var]
            for message in messages:
                loader.take(message)
                # It may be large: it is freed before the next one is received.
                del message
        loader.finish()
    except BaseException as error:
        # The connection may be what failed, or memory; then the next run ends this one.
        with suppress(Exception):
            status = LoadRun.Status.HELD if job.is_held else LoadRun.Status.FAILED
            run.finish(status, f"{INTERRUPTED}{name_error(error)}")
        raise
    loader.summary.seconds = round(time.monotonic() - started, 3)
    return loader.summary


def expand(path: str) -> list[str]:
    """Return the files of a folder, by name; anything else as it is."""
    if not path:
        raise SourceError("A path is empty. Name a file, a folder, or - for standard input.")
    if path != documents.STANDARD_INPUT and os.path.isdir(path):
        found = (entry for entry in Path(path).rglob("*") if entry.is_file())
        return sorted(str(entry) for entry in found if not entry.name.startswith("."))
    return [path]
