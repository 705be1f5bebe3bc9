"""Stored versions of payloads: each distinct payload of an item and the times it was observed.

A load stores the payloads of its batches. Late arrivals and replays read them again.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connections
from django.db.backends.utils import CursorWrapper
from psycopg2.sql import SQL, Identifier

from marketplace.loading import staging
from marketplace.loading.database_models import get_payload_models, table_of
from marketplace.loading.items import Batch
from marketplace.loading.payloads import Packer

_COLUMNS = (
    "platform",
    "shape",
    "external_id",
    "content_hash",
    "document_hash",
    "observed_at",
    "body",
)

# A subquery uses the index of the observations, whatever the statistics are.
_SELECT = """
SELECT p.shape, p.external_id, p.body, p.observed_at, (
    SELECT array_agg(t.at)
    FROM {payload_observations} s CROSS JOIN LATERAL unnest(s.observed_times) AS t (at)
    WHERE s.payload_id = p.id
)
FROM {payloads} p
WHERE p.platform = %(platform)s AND p.external_id = ANY(%(ids)s)
ORDER BY p.id
"""

_NOTE_OBSERVATIONS = """
INSERT INTO {payload_observations} AS s (payload_id, month, observed_times)
SELECT p.id, date_trunc('month', g.at AT TIME ZONE 'UTC')::date, ARRAY[g.at]
FROM unnest(%(ids)s::bigint[], %(times)s::timestamptz[]) AS g (id, at)
JOIN {payloads} p ON p.id = g.id
WHERE p.observed_at <> g.at AND NOT EXISTS (
    SELECT FROM {payloads} q
    WHERE q.platform = p.platform AND q.external_id = p.external_id AND q.shape = p.shape
        AND (q.observed_at = g.at OR EXISTS (
            SELECT FROM {payload_observations} r
            WHERE r.payload_id = q.id AND g.at = ANY(r.observed_times)
        ))
)
ORDER BY p.id
ON CONFLICT (payload_id, month)
    DO UPDATE SET observed_times = s.observed_times || EXCLUDED.observed_times
    WHERE NOT EXCLUDED.observed_times <@ s.observed_times
"""


class PayloadVersion(NamedTuple):
    """A stored payload, with the times at which it was observed."""

    shape: str
    external_id: str
    body: bytes
    times: list[datetime]


def read(alias: str, platform: str, external_ids: Iterable[str]) -> Iterator[PayloadVersion]:
    """Yield all versions of the payloads of some items, in the order in which they were stored."""
    statement = SQL(_SELECT).format(**_tables(alias))
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, {"platform": platform, "ids": list(external_ids)})
        for shape, external_id, body, observed_at, times in cursor.fetchall():
            yield PayloadVersion(shape, external_id, bytes(body), [observed_at, *(times or ())])


def prepare_dictionaries(packer: Packer, batch: Batch) -> None:
    """Read or train the dictionaries for the payloads of a batch, outside of its transaction.

    A dictionary that was trained for a batch is kept even if the batch is rolled back.
    """
    if not packer.is_enabled:
        return
    shapes = {batch.items[position].shape for position in batch.payloads.values()}
    for shape in shapes:
        if not packer.has_dictionary(shape):
            bodies = [item.raw for item in batch.items if item.shape == shape]
            packer.prepare_dictionary(shape, bodies)


def pack_ahead(packer: Packer, batch: Batch) -> None:
    """Compress the payloads of a batch whose dictionaries are in memory.

    Another thread may call this while the database works on the previous batch.
    """
    for position in batch.payloads.values():
        item = batch.items[position]
        if packer.has_dictionary(item.shape):
            batch.packed[position] = packer.pack(item.shape, item.raw, item.context)


def store(cursor: CursorWrapper, alias: str, packer: Packer, batch: Batch) -> None:
    """Store the new payload versions of a batch, and the times of versions that are stored already.

    Of several versions of one item and time, only the last one of the batch is stored.
    """
    if not batch.payloads or not packer.is_enabled:
        return
    table = get_payload_models(alias).payload._meta.db_table
    cursor.execute(
        SQL(
            "SELECT external_id, encode(content_hash, 'hex'), id FROM {} "
            "WHERE platform = %(platform)s AND external_id = ANY(%(ids)s)"
        ).format(Identifier(table)),
        {"platform": packer.platform, "ids": list({key for key, _ in batch.payloads})},
    )
    stored = {(external_id, content): pk for external_id, content, pk in cursor.fetchall()}
    new: list[tuple[str, int]] = []
    repeated: list[tuple[int, datetime]] = []
    observed: set[tuple[str, str]] = set()
    # The payload that is stored first has precedence, so the last one of the batch comes first.
    for key, position in sorted(batch.payloads.items(), key=_reverse_position):
        item = batch.items[position]
        if key not in stored:
            new.append((key[0], position))
        elif (key[0], item.shape) not in observed:
            repeated.append((stored[key], item.observed_at))
        observed.add((key[0], item.shape))
    _note_observations(cursor, alias, repeated)
    staging.copy(cursor, table, _COLUMNS, _rows(packer, batch, new))


def _reverse_position(payload: tuple[tuple[str, str], int]) -> int:
    return -payload[1]


def _rows(packer: Packer, batch: Batch, new: list[tuple[str, int]]) -> Iterator[tuple[Any, ...]]:
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


def _note_observations(
    cursor: CursorWrapper, alias: str, repeated: Iterable[tuple[int, datetime]]
) -> None:
    """Note that stored payloads were observed again.

    A time is noted only if no version of the same item and shape has it: the version that was
    stored first for a time keeps it.
    """
    pairs = sorted(repeated)
    if not pairs:
        return
    cursor.execute(
        SQL(_NOTE_OBSERVATIONS).format(**_tables(alias)),
        {"ids": [pk for pk, _ in pairs], "times": [at for _, at in pairs]},
    )


def _tables(alias: str) -> dict[str, Identifier]:
    models = get_payload_models(alias)
    return {
        "payloads": table_of(models.payload),
        "payload_observations": table_of(models.observation),
    }
