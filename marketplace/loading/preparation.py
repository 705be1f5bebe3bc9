"""Prepare batches for writing: deduplicate, parse, collate and encode their items.

None of this needs a transaction. It may run in the reader process, while the process that writes
waits for the database.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from marketplace.exceptions import PayloadError
from marketplace.loading import deduplication, staging
from marketplace.loading.adapters import Adapter, Item, Parsed
from marketplace.loading.deduplication import ExistingVersion
from marketplace.loading.document_times import Clock
from marketplace.loading.gates.quality_metrics import QualityMetrics, measure
from marketplace.loading.items import Batch, BatchItem, ParsedItem, Reject, SeenAgain, reject
from marketplace.loading.rows import collate, encode
from marketplace.loading.targets import Plan, check_columns, check_types

#: If the share of unchanged items in a batch is lower than this, the items of the next batch are
#: parsed as soon as they are read. An item that is still in the processor's caches takes a third
#: less time to parse.
_EAGER = 0.25

#: The errors that an adapter or a conversion may raise for a damaged item.
_FAULTS = (PayloadError, TypeError, ValueError, ArithmeticError, RecursionError)

#: Characters of the longest id that fits into the tables.
MAX_ID = 255


def parse_item(adapter: Adapter, item: Item) -> Parsed | Exception:
    """Return the records of an item, or the error if it cannot be parsed."""
    try:
        parsed = adapter.parse(item)
        if len(parsed.external_id) > MAX_ID:
            raise PayloadError(f"is longer than {MAX_ID} characters", "external_id")
    except _FAULTS as error:
        return error
    return parsed


class Preparer:
    """Prepare the batches of one run.

    :param is_deduplicating: whether unchanged items are recognized by their hashes in the database
    :param is_full_listing: whether the input is a full listing, of which every item is parsed
    """

    def __init__(
        self,
        alias: str,
        adapter: Adapter,
        plan: Plan,
        *,
        is_deduplicating: bool = True,
        is_full_listing: bool = False,
    ) -> None:
        self.alias = alias
        self.adapter = adapter
        self.plan = plan
        self.is_deduplicating = is_deduplicating and not is_full_listing
        self.is_full_listing = is_full_listing
        #: Whether most items are new, so that they are best parsed as soon as they are read.
        self.is_eager = False
        #: Decides which times of payloads count. If None, the times of the items count.
        self.clock: Clock | None = None
        self._owned = {target.record for target in plan.targets if not target.shared}
        self._timed = {shape.name for shape in adapter.shapes if shape.is_timed}

    def prepare(self, parsed_items: list[ParsedItem], rejects: list[Reject]) -> Iterator[Batch]:
        """Yield the batches of a group of items.

        There is one batch, unless some product, listing, lot or offer was observed at different
        times: each of its states then goes into a separate batch, so that both are recorded.
        """
        versions = self._find_versions(parsed_items)
        self.is_eager = len(versions) < len(parsed_items) * _EAGER
        results = self._parse(parsed_items, versions, rejects)
        if self.clock:
            self.clock.replace_stale_times(parsed_items, results)
        parsed_items, results = _sort_by_time(parsed_items, results)
        try:
            batches = self._batches(parsed_items, results, rejects)
        except TypeError:
            # Checking each value up front would slow down every load.
            if not self._reject_wrong_types(parsed_items, results, rejects):
                raise
            batches = self._batches(parsed_items, results, rejects)
        if self.clock:
            batches[-1].warnings |= self.clock.take_warnings()
            batches[0].stale_times = self.clock.take_stale_times()
        yield from batches

    def _batches(
        self, parsed_items: list[ParsedItem], results: list[Parsed | None], rejects: list[Reject]
    ) -> list[Batch]:
        self.plan.complete_items(self.alias, self.adapter.platform, results)
        bounds = [0, *self._boundaries(parsed_items, results), len(parsed_items)]
        parts = [slice(*ends) for ends in pairwise(bounds)]
        batches = [self._batch(parsed_items[part], results[part], []) for part in parts[:-1]]
        for batch in batches:
            batch.is_partial = True
        return [*batches, self._batch(parsed_items[parts[-1]], results[parts[-1]], rejects)]

    def _reject_wrong_types(
        self, parsed_items: list[ParsedItem], results: list[Parsed | None], rejects: list[Reject]
    ) -> bool:
        """Reject the items with values of a wrong type; return whether there was any."""
        before = len(rejects)
        for position, parsed in enumerate(results):
            try:
                check_types(parsed.records if parsed else [], self.plan.record_types)
            except PayloadError as error:
                results[position] = None
                rejects.append(reject(parsed_items[position].item, error.reason, error.field))
        return len(rejects) > before

    def _boundaries(
        self, parsed_items: list[ParsedItem], results: Sequence[Parsed | None]
    ) -> Iterator[int]:
        """Yield the positions of items whose id or rows appeared before with another time."""
        if len({parsed_item.item.observed_at for parsed_item in parsed_items}) < 2:
            return
        times: dict[Any, datetime] = {}
        for position, (parsed_item, parsed) in enumerate(zip(parsed_items, results, strict=True)):
            if parsed is None:
                continue
            observed_at = parsed_item.item.observed_at
            keys = [parsed.external_id, *self._owned_rows(parsed)]
            if any(times.setdefault(key, observed_at) != observed_at for key in keys):
                yield position
                times = dict.fromkeys(keys, observed_at)

    def _owned_rows(self, parsed: Parsed) -> list[tuple[type[Any], str]]:
        """Return the rows that an item describes, such as offers; not those it only refers to."""
        kinds = ((type(record), record) for record in parsed.records)
        return [(kind, record.external_id) for kind, record in kinds if kind in self._owned]

    def parse(
        self, parsed_items: list[ParsedItem], rejects: list[Reject]
    ) -> list[tuple[BatchItem, Parsed]]:
        """Return the items that can be parsed, and their records; add the others to the rejects."""
        results = self._parse(parsed_items, {}, rejects)
        self._reject_wrong_types(parsed_items, results, rejects)
        pairs = zip(parsed_items, results, strict=True)
        return [(parsed_item.item, parsed) for parsed_item, parsed in pairs if parsed is not None]

    def fold(self, versions: list[tuple[BatchItem, Parsed]]) -> Batch:
        """Return one batch of all versions of some items, merged in the given order.

        It counts each external id once, and has no payloads and no content hashes.
        """
        batch, results = Batch(), [parsed for _, parsed in versions]
        batch.items = [item for item, _ in versions]
        last = {parsed.external_id: position for position, parsed in enumerate(results)}
        batch.counted = sorted(last.values())
        self._encode_rows(batch, results)
        return batch

    def _find_versions(self, parsed_items: list[ParsedItem]) -> dict[int, ExistingVersion]:
        """Return the stored versions of unchanged items, by position."""
        if not self.is_deduplicating:
            return {}
        hashes = [parsed_item.item.content_hash for parsed_item in parsed_items]
        versions = deduplication.find_existing_versions(
            self.alias, self.adapter.platform, self.plan, hashes
        )
        # A late arrival is inserted into the history, which requires its content.
        return {
            position: version
            for position, version in versions.items()
            if parsed_items[position].item.observed_at >= version.last_seen_at
            and parsed_items[position].item.shape not in self._timed
        }

    def _parse(
        self,
        parsed_items: list[ParsedItem],
        versions: dict[int, ExistingVersion],
        rejects: list[Reject],
    ) -> list[Parsed | None]:
        """Return the records of each item.

        An unchanged item has no records, and the time it was last seen. A rejected one is None.
        """
        results: list[Parsed | None] = [None] * len(parsed_items)
        for position in range(len(parsed_items)):
            if position not in versions:
                results[position] = self._parse_one(parsed_items, position, rejects)
        # Another item of the batch may change the product that an unchanged item is about.
        changed = Counter(parsed.external_id for parsed in results if parsed is not None)
        for position, (external_id, last_seen_at) in versions.items():
            if external_id in changed:
                results[position] = self._parse_one(parsed_items, position, rejects)
            else:
                results[position] = Parsed(external_id, [], last_seen_at)
        return results

    def parse_item(self, item: Item) -> Parsed | Exception:
        """Return the records of an item, or the error if it cannot be parsed."""
        return parse_item(self.adapter, item)

    def _parse_one(
        self, parsed_items: list[ParsedItem], position: int, rejects: list[Reject]
    ) -> Parsed | None:
        item, payload, parsed = parsed_items[position]
        if parsed is None:
            parsed = self.parse_item(item.to_item(payload))
        if isinstance(parsed, PayloadError):
            rejects.append(reject(item, parsed.reason, parsed.field))
            return None
        if isinstance(parsed, Exception):
            rejects.append(reject(item, f"cannot be stored: {parsed}"))
            return None
        stated_at = parsed.observed_at
        if stated_at is not None and self.clock:
            stated_at = self.clock.accept(stated_at)
            if stated_at is not None and stated_at != item.observed_at:
                item = item._replace(observed_at=stated_at)
                parsed_items[position] = ParsedItem(item, payload)
        return parsed._replace(observed_at=None) if parsed.observed_at else parsed

    def _batch(
        self, parsed_items: list[ParsedItem], results: list[Parsed | None], rejects: list[Reject]
    ) -> Batch:
        batch = Batch(rejects=rejects)
        accepted: list[Parsed] = []
        for parsed_item, parsed in zip(parsed_items, results, strict=True):
            if parsed is None:
                continue
            item = parsed_item.item
            if parsed.observed_at == item.observed_at:
                batch.skipped += item.is_counted
                continue
            if parsed.observed_at is not None:
                batch.seen_again.append(
                    SeenAgain(len(accepted), item.content_hash, item.observed_at)
                )
            if parsed.warnings:
                batch.warnings |= dict.fromkeys(parsed.warnings)
            if item.is_counted:
                batch.counted.append(len(accepted))
            batch.items.append(item)
            batch.observed_times.add(item.observed_at)
            accepted.append(parsed)
        batch.metrics = self._measure(batch, accepted)
        self._encode(batch, accepted)
        if self.is_full_listing:
            batch.full_listing.observe(self.plan, batch.items, accepted)
        return batch

    def _measure(self, batch: Batch, results: list[Parsed]) -> QualityMetrics:
        metrics = measure(self.plan, zip(batch.items, results, strict=True))
        metrics.recognized += batch.skipped
        for rejected in batch.rejects:
            metrics.count_reject(rejected.reason)
        metrics.set_times({item.observed_at for item in batch.items})
        return metrics

    def measure_new_items(self, batch: Batch, loaded: set[tuple[str, str]]) -> QualityMetrics:
        """Return the metrics of a batch in which items that were loaded before have no errors.

        :param loaded: external id and content hash of the items that were loaded before
        """
        results = []
        for item in batch.items:
            parsed = self.parse_item(item.to_item())
            if isinstance(parsed, Exception):
                raise parsed
            is_loaded = (parsed.external_id, item.content_hash) in loaded
            results.append(Parsed(parsed.external_id, []) if is_loaded else parsed)
        return self._measure(batch, results)

    def _encode(self, batch: Batch, results: list[Parsed]) -> None:
        self._encode_rows(batch, results)
        for position, (item, parsed) in enumerate(zip(batch.items, results, strict=True)):
            if parsed.observed_at is None:
                batch.payloads[parsed.external_id, item.content_hash] = position

    def _encode_rows(self, batch: Batch, results: list[Parsed]) -> None:
        collated = collate(self.plan, zip(batch.items, results, strict=True))
        batch.rows = [encode(target, collated.rows[target.record]) for target in self.plan.targets]
        kind, observations = self.plan.observations, collated.observations
        if kind and observations:
            check_columns(kind.record, observations)
            columns = (
                [getattr(observation, name) for name in kind.columns]
                for observation in observations
            )
            batch.points = "".join(map(staging.encode, columns)).encode()
            batch.observed_times |= {
                getattr(observation, kind.time) for observation in observations
            }


def _sort_by_time(
    parsed_items: list[ParsedItem], results: list[Parsed | None]
) -> tuple[list[ParsedItem], list[Parsed | None]]:
    """Return items in the order of their times; those with equal times keep their order.

    The last of several items with the same id and time takes effect.
    """
    times = [parsed_item.item.observed_at for parsed_item in parsed_items]
    if len(set(times)) < 2:
        return parsed_items, results
    order = sorted(range(len(times)), key=times.__getitem__)
    return [parsed_items[index] for index in order], [results[index] for index in order]
