"""One batch: items that reach the database together, in one transaction, or not at all."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import zstandard
from django.apps import apps
from django.db import connections
from django.db.backends.utils import CursorWrapper
from psycopg2.sql import SQL, Composed, Identifier

from marketplace.exceptions import MarketplaceError
from marketplace.loading import bulk_insert, last_seen, merge, staging
from marketplace.loading.deduplication import digest
from marketplace.loading.payloads import Packer
from marketplace.loading.preparation import Batch, Reject
from marketplace.loading.retry import ConflictError
from marketplace.loading.targets import Plan, Target

_COMPRESSION_LEVEL = 3

_PAYLOAD_COLUMNS = (
    "platform",
    "shape",
    "external_id",
    "content_hash",
    "document_hash",
    "observed_at",
    "body",
)

_QUARANTINED = (
    "platform",
    "external_id",
    "content_hash",
    "reason",
    "field",
    "source",
    "payload",
    "shape",
    "context",
    "options",
    "observed_at",
    "observed_times",
    "first_seen_at",
    "last_seen_at",
    "seen_count",
    "run_id",
)


class StaleVersionError(MarketplaceError):
    """Raised if an item was recognized as unchanged, but its row changed before the write."""


class Outcome(NamedTuple):
    """What became of the items of a batch."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    price_points: int = 0
    warnings: tuple[str, ...] = ()


def learn(packer: Packer, batch: Batch) -> None:
    """Have the dictionaries that the payloads of a batch need; outside of its transaction.

    What a batch that is rolled back has learned is of use all the same.
    """
    if not packer.is_keeping:
        return
    shapes = {batch.items[position].shape for position in batch.payloads.values()}
    for shape in shapes:
        if not packer.knows(shape):
            packer.learn(shape, [each.raw for each in batch.items if each.shape == shape])


def is_all_new(alias: str, platform: str, plan: Plan, batch: Batch) -> bool:
    """Return whether a batch's things can be created, there being nothing to merge them into."""
    with connections[alias].cursor() as cursor:
        return bulk_insert.is_all_new(cursor, platform, plan, batch.rows, batch.points)


def stage(alias: str, plan: Plan, batch: Batch) -> None:
    """Send a batch to its temporary tables; must be called in the transaction that is to hold it.

    Of a batch that is all new, only what may be known all the same.

    :raises django.db.Error: if the database refuses any of it
    """
    with connections[alias].cursor() as cursor:
        cursor.execute(SQL("; ").join(_definitions(plan)))
        for target, rows in zip(plan.targets, batch.rows, strict=True):
            if target.shared or not batch.is_new:
                columns = [name for name, _ in merge.stage_columns(target)]
                staging.copy_lines(cursor, target.stage_table, columns, rows.staged())
        if plan.observations:
            columns = list(plan.observations.columns)
            staging.copy_lines(cursor, plan.observations.table, columns, batch.points)
        last_seen.stage(cursor, batch.seen_again)


def _definitions(plan: Plan) -> list[Composed]:
    found = [
        staging.definition(each.stage_table, merge.stage_columns(each)) for each in plan.targets
    ]
    found += [
        staging.definition_like(each.prior_table, each.table)
        for each in plan.targets
        if each.keep_prior
    ]
    if plan.observations:
        columns = list(plan.observations.columns.items())
        found.append(staging.definition(plan.observations.table, columns))
    return [*found, last_seen.definition()]


def write(alias: str, platform: str, plan: Plan, batch: Batch, packer: Packer | None) -> Outcome:
    """Merge a batch that was staged in the same transaction.

    :param packer: packs the payloads to be kept; if None, they are kept already

    :raises django.db.Error: if the database refuses any of it
    :raises ConflictError: if another loader came between two steps
    :raises MergeRequiredError: if a batch that is all new must be merged all the same
    :raises StaleVersionError: if another loader came between recognizing and writing
    """
    created: set[int] = set()
    changed: set[int] = set()
    warnings: list[str] = []
    points = 0
    with connections[alias].cursor() as cursor:
        if batch.is_new:
            created, changed, points = _create(cursor, platform, plan, batch)
        elif batch.has_rows:
            for target, rows in zip(plan.targets, batch.rows, strict=True):
                extended = target.extend(cursor, platform) if target.extend else 0
                if rows.keys or extended:
                    new, updated = _merge(cursor, platform, target)
                    created |= new
                    changed |= updated
            points = plan.after_merge(cursor, platform)
            warnings = plan.warn(cursor, platform)
        if packer is not None:
            _store_payloads(cursor, alias, packer, batch)
        if batch.seen_again:
            _touch(cursor, alias, platform, plan, batch)
        # Foreign keys are checked at the end of the transaction; here a fault is this batch's.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    return _count(batch, created, changed, points)._replace(warnings=tuple(warnings))


def _create(
    cursor: CursorWrapper, platform: str, plan: Plan, batch: Batch
) -> tuple[set[int], set[int], int]:
    """Create a batch that is all new.

    Returns the items that are new, those that changed what they share with others, and how many
    price points are new.
    """
    creator = bulk_insert.Creator(cursor, platform, plan)
    items: set[int | None] = set()
    changed: set[int] = set()
    for target, rows in zip(plan.targets, batch.rows, strict=True):
        if not target.shared:
            complete = rows.complete
            creator.create(target, complete)
            items.update(complete.items)
        elif rows.keys:
            new, updated = _merge(cursor, platform, target)
            items |= new
            changed |= updated
    created = {record: list(ids.values()) for record, ids in creator.ids.items()}
    follow = plan.after_create
    points = follow(cursor, platform, created, min(batch.moments)) if follow else 0
    return {item for item in items if item is not None}, changed, points


def _touch(cursor: CursorWrapper, alias: str, platform: str, plan: Plan, batch: Batch) -> None:
    updated = last_seen.apply(cursor, alias, platform, plan)
    if any(item.position not in updated for item in batch.seen_again):
        raise StaleVersionError(
            f"A thing of {platform} changed while it was loaded. Load the file again."
        )


def clear(alias: str, plan: Plan) -> None:
    """Empty the temporary tables, where the transaction holds several batches."""
    with connections[alias].cursor() as cursor:
        staging.clear(cursor, [*plan.temporary_tables, last_seen.TABLE])


def _merge(cursor: CursorWrapper, platform: str, target: Target) -> tuple[set[int], set[int]]:
    """Merge a staged target; return the items that are new, and those that changed."""
    values = {"platform": platform}
    if target.keep_prior:
        cursor.execute(merge.keep_prior(target), values)
    if target.complete:
        target.complete(cursor, platform)
    forget = merge.forget_parents(target)
    if forget:
        cursor.execute(forget, values)
    cursor.execute(merge.upsert(target), values)
    new, changed, unkept = cursor.fetchone()
    if unkept:
        raise ConflictError(
            f"{target.table} changed while a batch was merged into it. Load the file again."
        )
    found = set(changed or ())
    link = merge.link_parents(target)
    if link:
        cursor.execute(link, values)
        found |= {item for (item,) in cursor.fetchall() if item is not None}
    return set(new or ()), found


def _count(batch: Batch, created: set[int], changed: set[int], points: int) -> Outcome:
    counted = set(batch.counted)
    new = len(counted & created)
    updated = len((counted & changed) - created)
    return Outcome(new, updated, len(counted) - new - updated + batch.skipped, points)


def store_rejects(
    alias: str,
    platform: str,
    run_id: int,
    source: str,
    rejects: list[Reject],
    options: Mapping[str, str],
    now: datetime,
) -> None:
    """Put records into quarantine. One that is there already is counted, not repeated."""
    if not rejects:
        return
    # Those of equal bytes are one row, which a statement may write once.
    alike: dict[bytes, list[Reject]] = {}
    for reject in rejects:
        alike.setdefault(digest(reject.payload), []).append(reject)
    table = apps.get_model(alias, "QuarantinedRecord")._meta.db_table
    row = SQL("({})").format(SQL(", ").join([SQL("%s")] * len(_QUARANTINED)))
    statement = SQL(
        "INSERT INTO {table} AS t ({names}) VALUES {rows} "
        "ON CONFLICT (platform, content_hash) DO UPDATE SET reason = EXCLUDED.reason, "
        "field = EXCLUDED.field, source = EXCLUDED.source, run_id = EXCLUDED.run_id, "
        "shape = EXCLUDED.shape, context = EXCLUDED.context, options = EXCLUDED.options, "
        "last_seen_at = EXCLUDED.last_seen_at, seen_count = t.seen_count + EXCLUDED.seen_count, "
        "observed_times = ARRAY(SELECT DISTINCT unnest(t.observed_times || EXCLUDED.observed_times) ORDER BY 1)"
    ).format(
        table=Identifier(table),
        names=SQL(", ").join(map(Identifier, _QUARANTINED)),
        rows=SQL(", ").join([row] * len(alike)),
    )
    given = {
        "platform": platform,
        "source": source,
        "run_id": run_id,
        "first_seen_at": now,
        "last_seen_at": now,
        "options": staging.as_json(dict(options)),
    }
    values: list[Any] = []
    for content_hash in sorted(alike):
        found = _quarantined(content_hash, alike[content_hash], given)
        values += [found[name] for name in _QUARANTINED]
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, values)


def _quarantined(
    content_hash: bytes, alike: list[Reject], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the row of rejects of equal bytes: as the last one tells it, with the times of all."""
    reject = alike[-1]
    return {
        **given,
        "external_id": reject.external_id[:255].replace("\0", ""),
        "content_hash": content_hash,
        "reason": reject.reason.replace("\0", ""),
        "field": reject.field[:255].replace("\0", ""),
        "source": f"{given['source']}: {reject.place}",
        "payload": zstandard.compress(reject.payload, _COMPRESSION_LEVEL),
        "shape": reject.shape,
        "context": staging.as_json(reject.context),
        "observed_at": reject.observed_at,
        "observed_times": sorted({each.observed_at for each in alike if each.observed_at}),
        "seen_count": len(alike),
    }


def _store_payloads(cursor: CursorWrapper, alias: str, packer: Packer, batch: Batch) -> None:
    """Keep each new version of a payload, and the times at which known ones were seen again."""
    if not batch.payloads or not packer.is_keeping:
        return
    table = apps.get_model(alias, "RawPayload")._meta.db_table
    cursor.execute(
        SQL(
            "SELECT external_id, encode(content_hash, 'hex'), id FROM {} "
            "WHERE platform = %(platform)s AND external_id = ANY(%(ids)s)"
        ).format(Identifier(table)),
        {"platform": packer.platform, "ids": list({key for key, _ in batch.payloads})},
    )
    stored = {(external_id, content): pk for external_id, content, pk in cursor.fetchall()}
    new, again, told = [], [], set[tuple[str, str]]()
    for key, position in sorted(batch.payloads.items(), key=_precedence):
        item = batch.items[position]
        if key not in stored:
            new.append((key[0], position))
        elif (key[0], item.shape) not in told:
            again.append((stored[key], item.observed_at))
        told.add((key[0], item.shape))
    _note_payload_observations(cursor, alias, again)
    staging.copy(cursor, table, _PAYLOAD_COLUMNS, _payload_rows(packer, batch, new))


def _precedence(payload: tuple[tuple[str, str], int]) -> int:
    """Order payloads as they count: of what tells of one row at one moment, the last comes first.

    It is the first that is stored.
    """
    return -payload[1]


def pack_ahead(packer: Packer, batch: Batch) -> None:
    """Pack the payloads of a batch, as far as their dictionaries are at hand.

    Another thread may do it while the database works on the batch before.
    """
    for position in batch.payloads.values():
        item = batch.items[position]
        if packer.knows(item.shape):
            batch.packed[position] = packer.pack(item.shape, item.raw, item.context)


def _payload_rows(
    packer: Packer, batch: Batch, new: list[tuple[str, int]]
) -> Iterator[tuple[Any, ...]]:
    for external_id, position in new:
        item = batch.items[position]
        packed = batch.packed.get(position)
        yield (
            packer.platform,
            item.shape,
            external_id,
            bytes.fromhex(item.content_hash),
            item.document_hash,
            item.observed_at,
            packed or packer.pack(item.shape, item.raw, item.context),
        )


def _note_payload_observations(
    cursor: CursorWrapper, alias: str, again: Iterable[tuple[int, datetime]]
) -> None:
    """Note that stored payloads were observed again.

    A time at which the same or another version was observed is that of what was stored first.
    """
    pairs = sorted(again)
    if not pairs:
        return
    cursor.execute(
        SQL(
            "INSERT INTO {payload_observations} AS s (payload_id, month, observed_times) "
            "SELECT p.id, date_trunc('month', g.at AT TIME ZONE 'UTC')::date, ARRAY[g.at] "
            "FROM unnest(%(ids)s::bigint[], %(times)s::timestamptz[]) AS g (id, at) "
            "JOIN {payloads} p ON p.id = g.id WHERE p.observed_at <> g.at AND NOT EXISTS ("
            "SELECT FROM {payloads} q WHERE q.platform = p.platform "
            "AND q.external_id = p.external_id AND q.shape = p.shape AND (q.observed_at = g.at "
            "OR EXISTS (SELECT FROM {payload_observations} r WHERE r.payload_id = q.id "
            "AND g.at = ANY(r.observed_times)))) ORDER BY p.id "
            "ON CONFLICT (payload_id, month) DO UPDATE SET observed_times = s.observed_times || EXCLUDED.observed_times "
            "WHERE NOT EXCLUDED.observed_times <@ s.observed_times"
        ).format(
            payload_observations=Identifier(
                apps.get_model(alias, "PayloadObservation")._meta.db_table
            ),
            payloads=Identifier(apps.get_model(alias, "RawPayload")._meta.db_table),
        ),
        {"ids": [pk for pk, _ in pairs], "times": [at for _, at in pairs]},
    )
