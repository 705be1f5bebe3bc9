"""One batch: items that reach the database together, in one transaction, or not at all."""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import orjson
import zstandard
from django.apps import apps
from django.db import connections
from django.db.backends.utils import CursorWrapper
from psycopg2.sql import SQL, Identifier

from marketplace.exceptions import MarketplaceError
from marketplace.loading import merge, staging
from marketplace.loading.adapters import Item, Parsed
from marketplace.loading.targets import Plan, Target

_COMPRESSION_LEVEL = 3


class Entrant(NamedTuple):
    """An item that was parsed: what it says, and when it was observed.

    :param raw: its payload as JSON, equal for equal payloads
    """

    item: Item
    parsed: Parsed
    observed_at: datetime
    place: str
    raw: bytes


class Reject(NamedTuple):
    """A record that cannot be loaded.

    :param payload: what was read, as bytes
    """

    external_id: str
    reason: str
    field: str
    place: str
    payload: bytes


class Conflict(MarketplaceError):
    """Raised if another loader came between two steps of a batch, which must begin anew."""


class Outcome(NamedTuple):
    """What became of the items of a batch."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    price_points: int = 0


class _Row:
    """A record together with the oldest and newest time at which it was observed."""

    __slots__ = ("first", "last", "record")

    def __init__(self, record: Any, observed_at: datetime) -> None:
        self.record = record
        self.first = self.last = observed_at

    def add(self, record: Any, observed_at: datetime) -> None:
        """Bring in the same row as told by another item; at the same time, the later one counts."""
        newer, older = (record, self.record) if observed_at >= self.last else (self.record, record)
        values = (old if new is None else new for new, old in zip(newer, older, strict=True))
        self.record = type(record)(*values)
        self.first, self.last = min(self.first, observed_at), max(self.last, observed_at)


#: Record type → external_id → row.
Rows = dict[type[Any], dict[str, _Row]]


class Collated(NamedTuple):
    """The records of a batch, each row once, with the rows that others refer to."""

    rows: Rows
    observations: list[Any]


def write(
    alias: str, platform: str, plan: Plan, entrants: list[Entrant], collated: Collated
) -> Outcome:
    """Merge a batch; must be called in the transaction that is to hold it.

    :raises django.db.Error: if the database refuses any of it
    """
    rows, observations = collated
    merged: dict[tuple[type[Any], str], tuple[bool, bool]] = {}
    with connections[alias].cursor() as cursor:
        for target in plan.targets:
            _stage(cursor, target, rows[target.record])
            merged |= _merge(cursor, platform, target)
        _stage_observations(cursor, plan, observations)
        points = plan.after_merge(cursor, platform)
        _store_payloads(cursor, alias, platform, entrants)
        # Foreign keys are checked at the end of the transaction; here a fault is this batch's.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        staging.drop(cursor, plan.temporary_tables)
    return _count(plan, entrants, merged)._replace(price_points=points)


def store_rejects(
    alias: str, platform: str, run_id: int, source: str, rejects: list[Reject], now: datetime
) -> None:
    """Put records into quarantine. One that is there already is counted, not repeated."""
    table = apps.get_model(alias, "QuarantinedRecord")._meta.db_table
    statement = SQL(
        "INSERT INTO {table} AS t (platform, external_id, content_hash, reason, field, source, "
        "payload, first_seen_at, last_seen_at, seen_count, run_id) VALUES (%(platform)s, "
        "%(external_id)s, %(hash)s, %(reason)s, %(field)s, %(source)s, %(payload)s, %(now)s, "
        "%(now)s, 1, %(run_id)s) ON CONFLICT (platform, content_hash) DO UPDATE SET "
        "reason = EXCLUDED.reason, field = EXCLUDED.field, source = EXCLUDED.source, "
        "run_id = EXCLUDED.run_id, last_seen_at = EXCLUDED.last_seen_at, "
        "seen_count = t.seen_count + 1"
    ).format(table=Identifier(table))
    with connections[alias].cursor() as cursor:
        for reject in sorted(rejects, key=lambda reject: content_hash(reject.payload)):
            cursor.execute(
                statement,
                {
                    "platform": platform,
                    "external_id": reject.external_id[:255].replace("\0", ""),
                    "hash": content_hash(reject.payload),
                    "reason": reject.reason.replace("\0", ""),
                    "field": reject.field[:255].replace("\0", ""),
                    "source": f"{source}: {reject.place}",
                    "payload": zstandard.compress(reject.payload, _COMPRESSION_LEVEL),
                    "now": now,
                    "run_id": run_id,
                },
            )


def content_hash(data: bytes) -> bytes:
    """Return the 16 bytes by which a payload is recognized."""
    return hashlib.blake2b(data, digest_size=16).digest()


def serialize(value: Any) -> bytes:
    """Return JSON that is equal for equal values."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


def collate(plan: Plan, entrants: list[Entrant]) -> Collated:
    """Bring together what the items of a batch say about the same rows."""
    rows: Rows = {target.record: {} for target in plan.targets}
    targets = {target.record: target for target in plan.targets}
    for entrant in entrants:
        for record in entrant.parsed.records:
            target = targets.get(type(record))
            if target is not None:
                _add(rows, record, entrant.observed_at)
                _add_references(rows, target, record, entrant.observed_at)
    return Collated(rows, list(_observations(plan, entrants)))


def _add(rows: Rows, record: Any, observed_at: datetime) -> None:
    known = rows[type(record)]
    row = known.get(record.external_id)
    if row is None:
        known[record.external_id] = _Row(record, observed_at)
    else:
        row.add(record, observed_at)


def _add_references(rows: Rows, target: Target, record: Any, observed_at: datetime) -> None:
    """Add rows that a record names: what is known by its id only can be filled in later."""
    for field, reference in target.references.items():
        external_id = getattr(record, field)
        if external_id is not None and external_id not in rows[reference.record]:
            rows[reference.record][external_id] = _Row(reference.record(external_id), observed_at)


def _observations(plan: Plan, entrants: list[Entrant]) -> Iterable[Any]:
    kind = plan.observations
    if kind is None:
        return []
    found: dict[tuple[Any, ...], Any] = {}
    for entrant in entrants:
        for record in entrant.parsed.records:
            told = [record] if type(record) is kind.record else []
            for observation in [*told, *plan.expand(record, entrant.observed_at)]:
                key = tuple(getattr(observation, name) for name in kind.key)
                # A current price counts more than a line of history about the same moment.
                if told and key in found:
                    continue
                found[key] = observation
    return found.values()


def _stage(cursor: CursorWrapper, target: Target, rows: dict[str, _Row]) -> None:
    columns = merge.stage_columns(target)
    staging.create(cursor, target.stage_table, columns)
    own = [name for name in target.columns if name not in target.derived]
    lines = (
        (
            external_id,
            *(getattr(row.record, name) for name in own),
            *(derive(row.record, row.last) for derive in target.derived.values()),
            *(getattr(row.record, name) for name in target.references),
            row.first,
            row.last,
        )
        for external_id, row in rows.items()
    )
    staging.copy(cursor, target.stage_table, [name for name, _ in columns], lines)


def _stage_observations(cursor: CursorWrapper, plan: Plan, observations: list[Any]) -> None:
    kind = plan.observations
    if kind is None:
        return
    staging.create(cursor, kind.table, list(kind.columns.items()))
    lines = ([getattr(found, name) for name in kind.columns] for found in observations)
    staging.copy(cursor, kind.table, list(kind.columns), lines)


def _merge(
    cursor: CursorWrapper, platform: str, target: Target
) -> dict[tuple[type[Any], str], tuple[bool, bool]]:
    """Merge a staged target; return (record type, external_id) → (created, changed)."""
    values = {"platform": platform}
    if target.keep_prior:
        cursor.execute(merge.keep_prior(target), values)
    cursor.execute(merge.upsert(target), values)
    merged = {(target.record, key): (new, changed) for key, new, changed in cursor.fetchall()}
    if target.keep_prior:
        _check_prior(cursor, target, {key for (_, key), (new, _) in merged.items() if not new})
    link = merge.link_parents(target)
    if link:
        cursor.execute(link, values)
        for (key,) in cursor.fetchall():
            merged[target.record, key] = (merged.get((target.record, key), (False,))[0], True)
    return merged


def _check_prior(cursor: CursorWrapper, target: Target, updated: set[str]) -> None:
    """Raise `Conflict` if a row was updated that was not there when the rows were kept."""
    if updated:
        cursor.execute(SQL("SELECT external_id FROM {}").format(Identifier(target.prior_table)))
        if updated - {key for (key,) in cursor.fetchall()}:
            raise Conflict(
                f"{target.table} changed while a batch was merged into it. Load the file again."
            )


def _count(
    plan: Plan,
    entrants: list[Entrant],
    merged: dict[tuple[type[Any], str], tuple[bool, bool]],
) -> Outcome:
    """Count the items by what became of them; a row's change counts for its first item only."""
    shared = {target.record for target in plan.targets if target.shared}
    created = updated = counted = 0
    for item, parsed, *_ in entrants:
        is_created = is_updated = False
        for record in parsed.records:
            is_self = getattr(record, "external_id", None) == parsed.external_id
            if type(record) in shared and not is_self:
                continue
            key = (type(record), getattr(record, "external_id", ""))
            was_created, was_changed = merged.pop(key, (False, False))
            is_created |= was_created and is_self
            is_updated |= was_changed
        if item.is_counted:
            counted += 1
            created += is_created
            updated += is_updated and not is_created
    return Outcome(created, updated, counted - created - updated)


def _store_payloads(
    cursor: CursorWrapper, alias: str, platform: str, entrants: list[Entrant]
) -> None:
    """Keep each new version of a payload, compressed; databases without such a table keep none."""
    model = apps.get_app_config(alias).models.get("rawpayload")
    if model is None:
        return
    table = Identifier(model._meta.db_table)
    hashed = {
        (entrant.parsed.external_id, content_hash(entrant.raw)): entrant
        for entrant in reversed(entrants)
    }
    cursor.execute(
        SQL(
            "SELECT external_id, content_hash FROM {} "
            "WHERE platform = %(platform)s AND external_id = ANY(%(ids)s)"
        ).format(table),
        {"platform": platform, "ids": list({key for key, _ in hashed})},
    )
    stored = {(key, bytes(digest)) for key, digest in cursor.fetchall()}
    staging.copy(
        cursor,
        model._meta.db_table,
        ("platform", "shape", "external_id", "content_hash", "observed_at", "body"),
        (
            (platform, entrant.item.shape, key, digest, entrant.observed_at, _body(entrant))
            for (key, digest), entrant in sorted(hashed.items(), key=lambda pair: pair[0])
            if (key, digest) not in stored
        ),
    )


def _body(entrant: Entrant) -> bytes:
    body = {"payload": orjson.Fragment(entrant.raw), "context": entrant.item.context}
    text = orjson.dumps(body)
    return zstandard.compress(text, _COMPRESSION_LEVEL)
