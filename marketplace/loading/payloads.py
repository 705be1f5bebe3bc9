"""Raw payloads as they are kept: JSON of payload and context, compressed.

Payloads of one form have most of their text in common. A dictionary trained on the first hundreds
of them takes most of that out of each; it is kept beside them, and its number is in the header of
every frame that needs it.
"""

import random
import threading
from functools import lru_cache
from typing import Any

import orjson
import zstandard
from django.apps import apps
from django.db import router
from django.utils import timezone

from marketplace.loading.formats import json_text

_LEVEL = 3

#: Of how many payloads, at least, a dictionary is made; fewer are compressed without.
_MIN_SAMPLES = 200
_SAMPLE_BYTES = 3_000_000
_DICTIONARY_BYTES = 64 << 10


class _Compressors(threading.local):
    """The compressors of one thread, as each serves one only, by the identity of its dictionary."""

    def __init__(self) -> None:
        self.known: dict[int, zstandard.ZstdCompressor] = {}


class Packer:
    """Compress the payloads of a platform.

    Nothing is packed where the database keeps no payloads.
    """

    def __init__(self, alias: str, platform: str) -> None:
        self.alias = alias
        self.platform = platform
        self._model: Any = apps.get_app_config(alias).models.get("payloaddictionary")
        self._dictionaries: dict[str, zstandard.ZstdCompressionDict] = {}
        self._local = _Compressors()

    @property
    def is_keeping(self) -> bool:
        """Whether the database keeps payloads at all."""
        return self._model is not None

    def knows(self, shape: str) -> bool:
        """Return whether a dictionary is at hand."""
        return shape in self._dictionaries

    def learn(self, shape: str, bodies: list[bytes]) -> None:
        """Have a dictionary for a form of payload, if there is one, or enough to make it of."""
        stored = self._model.objects.filter(platform=self.platform, shape=shape)
        body = stored.order_by("pk").values_list("body", flat=True).first()
        if body is None and len(bodies) >= _MIN_SAMPLES:
            body = self._train(shape, bodies)
        if body is not None:
            known = zstandard.ZstdCompressionDict(bytes(body))
            known.precompute_compress(level=_LEVEL)
            self._dictionaries[shape] = known

    def _train(self, shape: str, bodies: list[bytes]) -> bytes | None:
        size = sum(map(len, bodies)) // len(bodies) + 1
        samples = random.Random(0).sample(bodies, min(len(bodies), _SAMPLE_BYTES // size + 1))
        number = random.randrange(1 << 16, 1 << 31)
        try:
            # Fixed parameters: searching for better ones would take longer than the whole load.
            known = zstandard.train_dictionary(
                _DICTIONARY_BYTES, list(samples), k=1024, d=8, dict_id=number, level=_LEVEL
            )
        except zstandard.ZstdError:
            # Samples that are too small or too few; the payloads are compressed without.
            return None
        body = known.as_bytes()
        self._model.objects.create(
            dictionary_id=known.dict_id(),
            platform=self.platform,
            shape=shape,
            body=body,
            created_at=timezone.now(),
        )
        return body

    def pack(self, shape: str, raw: bytes, context: Any) -> bytes:
        """Return the frame in which a payload, given as JSON, and its context are kept."""
        return self._compressor(shape).compress(serialize(raw, context))

    def _compressor(self, shape: str) -> zstandard.ZstdCompressor:
        known = self._dictionaries.get(shape)
        mine = self._local.known
        if id(known) not in mine:
            mine[id(known)] = zstandard.ZstdCompressor(_LEVEL, dict_data=known)
        return mine[id(known)]


def serialize(raw: bytes, context: Any) -> bytes:
    """Return what is kept of an item: its payload, given as JSON, and its context."""
    return json_text.dumps({"payload": orjson.Fragment(raw), "context": context})


def unpack(alias: str, body: bytes | memoryview) -> Any:
    """Return payload and context of a stored body, as {"payload": …, "context": …}.

    :raises zstandard.ZstdError: if it is damaged, or its dictionary is gone
    """
    return orjson.loads(decompress(alias, body))


def decompress(alias: str, body: bytes | memoryview, limit: int | None = None) -> bytes:
    """Return the JSON of a stored body.

    :param limit: the first bytes to return; all if None
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
    model: Any = apps.get_model(alias, "PayloadDictionary")
    stored = model.objects.using(router.db_for_read(model)).filter(dictionary_id=number)
    body = stored.values_list("body", flat=True).first()
    if body is None:
        raise zstandard.ZstdError(f"dictionary {number} is not in {model._meta.db_table}")
    return zstandard.ZstdDecompressor(dict_data=zstandard.ZstdCompressionDict(bytes(body)))
