"""Chunks of a run: the items that it still has to load, as compressed JSON lines in its database.

A chunk holds either received documents or the items of a batch that a gate holds.
"""

from collections.abc import Iterator
from typing import Any

import orjson
import zstandard

from marketplace.loading.formats import json_text
from marketplace.loading.formats.documents import Line
from marketplace.loading.items import Batch, BatchItem, Reject
from marketplace.loading.models import loading_models
from marketplace.loading.retry import retry

#: The stored form of a blank line: it has no documents, and the lines behind it keep their numbers.
BLANK_LINE = b"[]"


def read(alias: str, run_id: int, *, is_held: bool = False) -> Iterator[Line]:
    """Yield the lines of a run's chunks in order. Only one chunk is in memory at a time.

    :param is_held: True reads the chunks that a gate holds, False those that were received
    """
    line_number = 0
    for pk in _find(alias, run_id, is_held):
        for line in unpack(_body(alias, pk)):
            line_number += 1
            yield Line(f"line {line_number}", line)


@retry
def _find(alias: str, run_id: int, is_held: bool) -> list[int]:
    chunks = loading_models(alias).chunks.of_run(run_id).filter(is_held=is_held)
    return list(chunks.order_by("sequence").values_list("pk", flat=True))


@retry
def _body(alias: str, pk: int) -> bytes:
    return bytes(loading_models(alias).chunks.values_list("body", flat=True).get(pk=pk))


def pack(lines: list[bytes]) -> bytes:
    """Return the body of a chunk."""
    return zstandard.compress(b"\n".join(lines), 3)


def unpack(body: bytes) -> list[bytes]:
    """Return the lines of a chunk's body."""
    return [line for line in zstandard.decompress(body).split(b"\n") if line]


def encode_batch(batch: Batch, source: str) -> list[bytes]:
    """Return one JSON line for each item and each reject of a batch.

    :param source: full path or name of the source that the batch was read from
    """
    lines = [*map(_encode_item, batch.items), *map(_encode_reject, batch.rejects)]
    return [json_text.dumps(line | {"source": source}) for line in lines]


def _encode_item(item: BatchItem) -> dict[str, Any]:
    return {
        "shape": item.shape,
        "payload": orjson.Fragment(item.raw),
        "context": item.context,
        "is_counted": item.is_counted,
        "observed_at": item.observed_at.isoformat(),
        "place": item.place,
    }


def _encode_reject(reject: Reject) -> dict[str, Any]:
    return {
        "raw": reject.payload.decode("utf-8", "replace"),
        "reason": reject.reason,
        "field": reject.field,
        "observed_at": reject.observed_at and reject.observed_at.isoformat(),
        "place": reject.place,
        "shape": reject.shape,
        "context": reject.context,
    }
