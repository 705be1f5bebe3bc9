"""Read sources, and yield batches that are ready to be written as a stream of messages."""

from collections.abc import Iterator
from itertools import islice

from django.conf import settings

from marketplace.exceptions import SourceError
from marketplace.loading import chunks
from marketplace.loading.adapters import Adapter, Item, get_adapter
from marketplace.loading.batch_builder import MAX_BATCH_BYTES, BatchBuilder, HeldBatchBuilder
from marketplace.loading.deduplication import Hasher
from marketplace.loading.formats import documents
from marketplace.loading.formats.documents import Entry, Line
from marketplace.loading.items import Batch
from marketplace.loading.mapped import tables
from marketplace.loading.mapped.tables import Table
from marketplace.loading.preparation import Preparer
from marketplace.loading.retry import retry
from marketplace.loading.sources import (
    Job,
    Message,
    SourceEnd,
    SourceState,
    get_state,
    get_state_in_memory,
)
from marketplace.loading.targets import Plan, Scope, get_plan


class Reader:
    """Read the sources of a job in this process.

    :raises SourceError: if the job's platform is unknown, or its mapping file is wrong
    """

    def __init__(self, job: Job, table: Table | None = None) -> None:
        self.job = job
        self.alias = job.alias
        self.table = table or (tables.load(job.columns, job.platform) if job.columns else None)
        self.adapter: Adapter = self.table.adapter if self.table else get_adapter(job.platform)
        self.plan: Plan = self.table.plan if self.table else get_plan(job.alias)
        self.preparer = Preparer(
            job.alias, self.adapter, self.plan, is_full_listing=bool(job.full_listing)
        )
        self.hasher = Hasher(self.adapter, job.options)

    def read_all(self) -> Iterator[Message]:
        """Yield the messages of all sources: for each one its start, its batches and its end."""
        for source in self.job.sources:
            yield from self.read(source)

    def read(self, source: str | int) -> Iterator[Message]:
        """Yield the messages of a source; none if it is complete already."""
        state = get_state(self.job, source)
        if state is not None:
            yield from self.batches(self._open(source), state)

    def _open(self, source: str | int) -> Iterator[Entry | Line]:
        if isinstance(source, int):
            return chunks.read(self.job.alias, source, is_held=self.job.is_held)
        return self.table.read(source) if self.table else documents.read_unparsed(source)

    def batches(self, entries: Iterator[Entry | Line], state: SourceState) -> Iterator[Message]:
        """Yield the start of a source, the batches of its documents, and its end."""
        messages = self._batches(entries, state)
        # The start is sent with the first batch, so that its hash and queries have time until then.
        first = [next(messages)]
        yield state.start_message
        yield first.pop()
        yield from messages

    def missing(self, scope: Scope) -> Iterator[Batch]:
        """Yield batches that mark the items missing which a full listing lacks."""
        state = get_state_in_memory(self.job, str(scope))
        builder = BatchBuilder(self.preparer, self.hasher, state)
        for item in self._find_missing(scope):
            yield from _without_position(builder.add_item(item, str(scope)))
        yield from _without_position(builder.flush())

    @retry
    def _find_missing(self, scope: Scope) -> list[Item]:
        """Return the missing items. Writing the first of them would change the result."""
        find = self.plan.find_missing
        return list(find(self.alias, self.job.platform, scope)) if find else []

    def _batches(self, entries: Iterator[Entry | Line], state: SourceState) -> Iterator[Message]:
        kind = HeldBatchBuilder if self.job.is_held else BatchBuilder
        builder = kind(self.preparer, self.hasher, state)
        failure = ""
        try:
            for _ in islice(entries, state.position.documents):
                pass
            for group in _groups(entries):
                yield from builder.add(group)
                # Release its memory before the next group is read.
                del group
        except SourceError as error:
            failure = str(error)
        yield from builder.flush()
        yield SourceEnd(failure)


def _without_position(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Yield batches of items that do not come from the source, so they do not advance it."""
    for batch in batches:
        batch.position = None
        yield batch


def _groups(entries: Iterator[Entry | Line]) -> Iterator[list[Entry | Line]]:
    """Yield documents in groups, so that one query looks up the hashes of a group.

    Parsed documents have no hashes and may be large: each of them is a separate group.
    """
    group: list[Entry | Line] = []
    size = 0
    try:
        for entry in entries:
            group.append(entry)
            size += len(entry.raw)
            is_parsed = isinstance(entry, Entry)
            del entry
            if is_parsed or len(group) >= settings.INGEST_BATCH_SIZE or size >= MAX_BATCH_BYTES:
                yield group
                group, size = [], 0
    except SourceError:
        # The documents before the place where the source is cut off.
        if group:
            yield group
        raise
    if group:
        yield group


def read_source(path: str, table: Table | None = None) -> Iterator[Entry]:
    """Yield the documents of a source: payloads of its platform, or rows of a table."""
    return table.read(path) if table else documents.read(path)
