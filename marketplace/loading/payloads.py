"""Stored payloads: JSON of payload and context in a zstd frame.

Payloads of one shape share most of their text. They are compressed with a dictionary, which is
trained on the first batch that is large enough and stored in the same database. The header of each
frame names its dictionary.

Each distinct payload of an item is stored once, with the times at which it was observed. A load
stores the payloads of its batches; late arrivals and replays read them again.
"""

import random
import threading
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

import orjson
import zstandard
from django.db import connections, router
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet
from django.utils import timezone
from psycopg2.sql import SQL, Identifier

from marketplace.loading import staging
from marketplace.loading.formats import json_text
from marketplace.loading.items import Batch
from marketplace.loading.models import (
    PayloadDictionary,
    get_payload_models,
    loading_models,
    table_of,
)

_LEVEL = 3

#: Minimum number of payloads to train a dictionary; fewer are compressed without one.
_MIN_SAMPLES = 200
_SAMPLE_BYTES = 3_000_000
_DICTIONARY_BYTES = 64 << 10


class _Compressors(threading.local):
    """The compressors of one thread, by the identity of their dictionary.

    A compressor must not be used by two threads.
    """

    def __init__(self) -> None:
        self.by_dictionary: dict[int, zstandard.ZstdCompressor] = {}


class Packer:
    """Compress the payloads of a platform, if its database stores payloads."""

    def __init__(self, alias: str, platform: str) -> None:
        self.alias = alias
        self.platform = platform
        self._dictionaries: dict[str, zstandard.ZstdCompressionDict] = {}
        self._local = _Compressors()

    @property
    def is_enabled(self) -> bool:
        """Whether the database stores payloads."""
        return loading_models(self.alias).payload_models is not None

    def has_dictionary(self, shape: str) -> bool:
        """Return whether the dictionary of a shape is in memory."""
        return shape in self._dictionaries

    def prepare_dictionary(self, shape: str, bodies: list[bytes]) -> None:
        """Read the stored dictionary of a shape, or train and store one if there are enough bodies.

        :param bodies: payloads of this shape as JSON
        """
        stored = get_payload_models(self.alias).dictionaries.filter(
            platform=self.platform, shape=shape
        )
        body = stored.order_by("pk").values_list("body", flat=True).first()
        if body is None and len(bodies) >= _MIN_SAMPLES:
            body = self._train(shape, bodies)
        if body is not None:
            dictionary = zstandard.ZstdCompressionDict(bytes(body))
            dictionary.precompute_compress(level=_LEVEL)
            self._dictionaries[shape] = dictionary

    def _train(self, shape: str, bodies: list[bytes]) -> bytes | None:
        size = sum(map(len, bodies)) // len(bodies) + 1
        samples = random.Random(0).sample(bodies, min(len(bodies), _SAMPLE_BYTES // size + 1))
        number = random.randrange(1 << 16, 1 << 31)  # zstd reserves the ids outside of this range
        try:
            # The parameters are fixed: searching for better ones takes longer than the whole load.
            dictionary = zstandard.train_dictionary(
                _DICTIONARY_BYTES, list(samples), k=1024, d=8, dict_id=number, level=_LEVEL
            )
        except zstandard.ZstdError:
            # The samples are too small or too few: compress without a dictionary.
            return None
        body = dictionary.as_bytes()
        get_payload_models(self.alias).dictionaries.create(
            dictionary_id=dictionary.dict_id(),
            platform=self.platform,
            shape=shape,
            body=body,
            created_at=timezone.now(),
        )
        return body

    def pack(self, shape: str, raw: bytes, context: Any) -> bytes:
        """Return the zstd frame of a payload, given as JSON, and its context."""
        return self._compressor(shape).compress(serialize(raw, context))

    def _compressor(self, shape: str) -> zstandard.ZstdCompressor:
        dictionary = self._dictionaries.get(shape)
        compressors = self._local.by_dictionary
        if id(dictionary) not in compressors:
            compressors[id(dictionary)] = zstandard.ZstdCompressor(_LEVEL, dict_data=dictionary)
        return compressors[id(dictionary)]


def serialize(raw: bytes, context: Any) -> bytes:
    """Return the JSON that is stored of an item: its payload, given as JSON, and its context."""
    return json_text.dumps({"payload": orjson.Fragment(raw), "context": context})


def unpack(alias: str, body: bytes | memoryview) -> Any:
    """Return the content of a stored body: {"payload": …, "context": …}.

    :raises zstandard.ZstdError: if the body is damaged or its dictionary is missing
    """
    return orjson.loads(decompress(alias, body))


def decompress(alias: str, body: bytes | memoryview, limit: int | None = None) -> bytes:
    """Return the JSON of a stored body.

    :param limit: number of bytes to return; all if None
    :raises zstandard.ZstdError: as `unpack`
    """
    frame = bytes(body)
    number = zstandard.get_frame_parameters(frame).dict_id
    with _decompressor(alias, number).stream_reader(frame) as reader:
        return reader.read(-1 if limit is None else limit)


@lru_cache(maxsize=64)
def _decompressor(alias: str, number: int) -> zstandard.ZstdDecompressor:
    if not number:
        return zstandard.ZstdDecompressor()
    model = get_payload_models(alias).dictionary
    rows: QuerySet[PayloadDictionary] = QuerySet(model, using=router.db_for_read(model))
    stored = rows.filter(dictionary_id=number)
    body = stored.values_list("body", flat=True).first()
    if body is None:
        raise zstandard.ZstdError(f"dictionary {number} is not in {model._meta.db_table}")
    return zstandard.ZstdDecompressor(dict_data=zstandard.ZstdCompressionDict(bytes(body)))


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
