"""The chunks of a run: what it is still to load, as JSON lines in its database."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import zstandard
from django.apps import apps

from marketplace.loading.formats.documents import Line
from marketplace.loading.retry import retry_on_disconnect


def read(alias: str, run_id: int, *, is_held: bool = False) -> Iterator[Line]:
    """Yield the lines of a run's chunks, in order; one chunk is in memory at a time.

    :param is_held: those that a gate holds; else those that were received
    """
    chunks: Any = apps.get_model(alias, "LoadChunk").objects.using(alias)
    found = chunks.filter(run_id=run_id, is_held=is_held).order_by("sequence")
    numbers = retry_on_disconnect(alias, lambda: list(found.values_list("pk", flat=True)))
    place = 0
    for pk in numbers:
        for line in unpack(retry_on_disconnect(alias, partial(_body, chunks, pk))):
            place += 1
            yield Line(f"line {place}", line)


def _body(chunks: Any, pk: int) -> bytes:
    return bytes(chunks.values_list("body", flat=True).get(pk=pk))


def pack(lines: list[bytes]) -> bytes:
    """Return the body of a chunk."""
    return zstandard.compress(b"\n".join(lines), 3)


def unpack(body: bytes) -> list[bytes]:
    """Return the lines of a chunk's body."""
    return [line for line in zstandard.decompress(body).split(b"\n") if line]
