"""Compression of stored payloads: JSON of payload and context in a zstd frame.

Payloads of one shape share most of their text. They are compressed with a dictionary, which is
trained on the first batch that is large enough and stored in the same database. The header of each
frame names its dictionary.
"""

import random
import threading
from functools import lru_cache
from typing import Any

import orjson
import zstandard
from django.db import router
from django.db.models import QuerySet
from django.utils import timezone

from marketplace.loading.database_models import get_payload_models, loading_models
from marketplace.loading.formats import json_text
from marketplace.loading.payload_models import PayloadDictionary

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
