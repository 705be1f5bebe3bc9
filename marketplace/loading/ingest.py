"""Loading: from sources through a platform's adapter into its database, batch by batch."""

import hashlib
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DataError, Error, IntegrityError, OperationalError, transaction
from django.utils import timezone
from psycopg2 import errors

from marketplace.exceptions import PayloadError, SourceError
from marketplace.loading import batches, documents, tables
from marketplace.loading.adapters import Adapter, Item, Parsed, Source, get_adapter
from marketplace.loading.batches import Entrant, Outcome, Reject
from marketplace.loading.documents import Entry
from marketplace.loading.runs import Run
from marketplace.loading.tables import Table
from marketplace.loading.targets import Plan, get_plan
from marketplace.registry import get_platform

#: Characters of the longest id that the tables take.
MAX_ID = 255

#: How often a batch is tried that a concurrent loader made fail.
_TRIES = 5


@dataclass
class Summary:
    """What a run did.

    :param read: records read, repeats included: created + updated + unchanged + rejected
    :param seconds: wall-clock time
    :param failures: why sources could not be read to their end
    :param reasons: reason of rejection → how many records; the first hundred reasons
    """

    platform: str
    run_id: int | None = None
    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    price_points: int = 0
    retries: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def is_failure(self) -> bool:
        """Whether a source could not be read, or nothing of what was read could be loaded."""
        return bool(self.failures) or (self.read > 0 and self.rejected == self.read)

    @property
    def why_failed(self) -> str:
        """The reasons of a failure; empty if the run did not fail."""
        if self.is_failure and not self.failures:
            return f"None of its {self.read:,} records could be loaded: see the quarantine."
        return "\n".join(self.failures)

    def add(self, outcome: Outcome, rejects: list[Reject]) -> None:
        """Count a batch that was committed."""
        self.read += outcome.created + outcome.updated + outcome.unchanged + len(rejects)
        self.created += outcome.created
        self.updated += outcome.updated
        self.unchanged += outcome.unchanged
        self.rejected += len(rejects)
        self.price_points += outcome.price_points
        for reject in rejects:
            reason = f"{reject.field}: {reject.reason}" if reject.field else reject.reason
            if reason in self.reasons or len(self.reasons) < 100:
                self.reasons[reason] = self.reasons.get(reason, 0) + 1


#: Called after each batch.
Progress = Callable[[Summary], None]


def ingest(
    platform: str,
    paths: Iterable[str],
    *,
    observed_at: datetime | None = None,
    options: Mapping[str, str] | None = None,
    columns: str | None = None,
    progress: Progress = lambda summary: None,
) -> Summary:
    """Load files, folders and standard input ("-"). Loading the same again changes nothing.

    A source that cannot be read is named in the summary's `failures`; the others are loaded.

    :param observed_at: time of the observations that tell none themselves; if None, the time at
        which the same file was loaded first, or now
    :param options: what adapters may use where a payload is silent: shop, lot, lot_type, currency
    :param columns: a mapping file, if the files are tables in another form than the platform's own
    :raises SourceError: if the platform is unknown, or the mapping is wrong
    :raises django.db.Error: if the database cannot be used
    """
    names = list(paths)
    table = tables.load(columns, platform) if columns else None
    sources = (
        (name, read_source(name, table), _digest(name)) for path in names for name in expand(path)
    )
    return _load(platform, " ".join(names), sources, observed_at, options or {}, progress, table)


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
    """
    entries = (_entry(f"payload {n}", payload) for n, payload in enumerate(payloads, 1))
    return _load(platform, name, [(name, entries, "")], observed_at, options or {}, progress)


def _entry(place: str, payload: Any) -> Entry:
    """Return a payload without what PostgreSQL cannot store."""
    try:
        return Entry(place, documents.clean(payload))
    except ValueError as error:
        return Entry(place, fault=f"cannot be read: {error}", raw=repr(payload)[:1000].encode())


def _load(
    platform: str,
    title: str,
    sources: Iterable[tuple[str, Iterator[Entry], str]],
    observed_at: datetime | None,
    options: Mapping[str, str],
    progress: Progress,
    table: Table | None = None,
) -> Summary:
    started, now = time.monotonic(), timezone.now()
    loader = _Loader(platform, title, observed_at, now, options, progress, table)
    try:
        for name, entries, digest in sources:
            loader.load_source(name, entries, digest)
    except BaseException as error:
        # The connection may be what failed; then the next run ends this one.
        with suppress(Error):
            loader.run.finish(f"Interrupted: {error!r}")
        raise
    summary = loader.summary
    loader.run.finish(summary.why_failed)
    summary.seconds = round(time.monotonic() - started, 3)
    return summary


def expand(path: str) -> list[str]:
    """Return the files of a folder, by name; anything else as it is."""
    if not path:
        raise SourceError("A path is empty. Name a file, a folder, or - for standard input.")
    if path != documents.STANDARD_INPUT and os.path.isdir(path):
        found = (entry for entry in Path(path).rglob("*") if entry.is_file())
        return sorted(str(entry) for entry in found if not entry.name.startswith("."))
    return [path]


def _digest(path: str) -> str:
    """Return by what a file is known again; nothing for what is read once only, or not at all."""
    if not os.path.isfile(path):
        return ""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError:
        # Reading it fails in the same way, where it becomes the source's failure.
        return ""


def read_source(path: str, table: Table | None = None) -> Iterator[Entry]:
    """Yield what a source holds: documents of its platform, or rows of a table."""
    read = table.read if table else documents.read
    return read(path, settings.INGEST_MAX_DOCUMENT)


class _Loader:
    """One run: the batch being gathered, and the counts so far."""

    def __init__(
        self,
        platform: str,
        title: str,
        observed_at: datetime | None,
        now: datetime,
        options: Mapping[str, str],
        progress: Progress,
        table: Table | None,
    ) -> None:
        self.adapter: Adapter = table.adapter if table else get_adapter(platform)
        self.alias = get_platform(platform).database
        self.plan: Plan = table.plan if table else get_plan(self.alias)
        self.platform = platform
        self.observed_at = observed_at
        self.now = self.default_time = now
        self.options = options
        self.progress = progress
        self.summary = Summary(platform)
        self.source = Source()
        self.entrants: list[Entrant] = []
        self.observed: dict[str, datetime] = {}
        self.rejects: list[Reject] = []
        self.run = Run(self.alias, platform, title, now)
        self.summary.run_id = self.run.id

    def load_source(self, name: str, entries: Iterator[Entry], digest: str) -> None:
        """Load one source to its end, or to where it cannot be read."""
        self.source = Source(Path(name).name, self.options)
        self.default_time = self.observed_at or self.run.first_load(digest) or self.now
        self.run.start_source(self.source.name, digest, self.default_time)
        try:
            for entry in entries:
                self._add(entry)
        except SourceError as error:
            self.summary.failures.append(str(error))
        # A batch never spans two sources: within one, the later of two repeats counts.
        self._flush()

    def _add(self, entry: Entry) -> None:
        if entry.fault:
            self._reject(PayloadError(entry.fault), entry.place, entry.raw)
            return
        try:
            for item in self.adapter.split(entry.document, self.source):
                self._add_item(item, entry.place)
        except PayloadError as error:
            self._reject(error, entry.place, _raw(entry.document))

    def _add_item(self, item: Item, place: str) -> None:
        try:
            parsed, raw = self._parse(item)
        except PayloadError as error:
            self._reject(error, place, _raw(item.payload))
            return
        observed_at = parsed.observed_at or self.default_time
        # Two states of one thing at different times are two batches, so that both leave a trace.
        if self.observed.get(parsed.external_id, observed_at) != observed_at:
            self._flush()
        self.observed[parsed.external_id] = observed_at
        self.entrants.append(Entrant(item, parsed, observed_at, place, raw))
        if len(self.entrants) >= settings.INGEST_BATCH_SIZE:
            self._flush()

    def _parse(self, item: Item) -> tuple[Parsed, bytes]:
        """Return what an item says and its payload as JSON, if it can be stored at all.

        :raises PayloadError: if not
        """
        try:
            raw = batches.serialize(item.payload)
            parsed = self.adapter.parse(item)
        except (TypeError, ValueError, ArithmeticError, RecursionError) as error:
            raise PayloadError(f"cannot be stored: {error}") from error
        if len(parsed.external_id) > MAX_ID:
            raise PayloadError(f"is longer than {MAX_ID} characters", "external_id")
        return parsed, raw

    def _reject(self, error: PayloadError, place: str, raw: bytes) -> None:
        """Put aside what could not be parsed: its id is not known."""
        self.rejects.append(Reject("", error.reason, error.field, place, raw))
        if len(self.rejects) >= settings.INGEST_BATCH_SIZE:
            self._flush()

    def _flush(self) -> None:
        entrants, rejects = self.entrants, self.rejects
        self.entrants, self.rejects, self.observed = [], [], {}
        if entrants or rejects:
            self._commit(entrants, rejects)

    def _commit(self, entrants: list[Entrant], rejects: list[Reject]) -> None:
        """Commit a batch; where the database refuses it, commit its halves instead.

        So a record that breaks a constraint ends up alone, and goes to quarantine.
        """
        try:
            outcome = self._commit_with_retries(entrants, rejects)
        except (DataError, IntegrityError, OperationalError) as error:
            if not entrants or (isinstance(error, OperationalError) and not _is_limit(error)):
                raise
            if len(entrants) == 1:
                self._commit([], [*rejects, _rejected(entrants[0], error)])
                return
            middle = len(entrants) // 2
            self._commit(entrants[:middle], rejects)
            self._commit(entrants[middle:], [])
            return
        self.summary.add(outcome, rejects)
        self.progress(self.summary)

    def _commit_with_retries(self, entrants: list[Entrant], rejects: list[Reject]) -> Outcome:
        for attempt in range(1, _TRIES + 1):
            try:
                return self._commit_once(entrants, rejects)
            except (OperationalError, batches.Conflict) as error:
                if attempt == _TRIES or not _is_conflict(error):
                    raise
                self.summary.retries += 1
                # Loaders that collided must not collide again at once.
                time.sleep(random.uniform(0, 0.1 * 2**attempt))
        raise AssertionError("unreachable")

    def _commit_once(self, entrants: list[Entrant], rejects: list[Reject]) -> Outcome:
        outcome = Outcome()
        collated = batches.collate(self.plan, entrants)
        self.plan.before_batch(self.alias, collated.observations)
        with transaction.atomic(using=self.alias):
            if entrants:
                outcome = batches.write(self.alias, self.platform, self.plan, entrants, collated)
            batches.store_rejects(
                self.alias, self.platform, self.run.id, self.source.name, rejects, self.now
            )
            self.run.advance(outcome, len(rejects))
        return outcome


def _raw(payload: Any) -> bytes:
    """Return a payload as JSON, or as close to it as it can be written."""
    try:
        return batches.serialize(payload)
    except (TypeError, ValueError, RecursionError):
        return repr(payload)[:100_000].encode("utf-8", "replace")


def _rejected(entrant: Entrant, error: Exception) -> Reject:
    message = str(error).strip().splitlines()[0]
    diagnostics = getattr(error.__cause__, "diag", None)
    field = (getattr(diagnostics, "column_name", None) or "") if diagnostics else ""
    reason = f"refused by the database: {message}"
    return Reject(entrant.parsed.external_id, reason, field, entrant.place, entrant.raw)


def _is_conflict(error: Exception) -> bool:
    return isinstance(error, batches.Conflict) or isinstance(
        error.__cause__, errors.DeadlockDetected | errors.SerializationFailure
    )


def _is_limit(error: Exception) -> bool:
    """Return whether a value is larger than PostgreSQL can index."""
    return isinstance(error.__cause__, errors.ProgramLimitExceeded)
