"""The inbox: pushes wait in the database of their platform until a worker loads them.

A push is stored in one transaction as a run with the status `queued`, with its lines as chunks. An
accepted push is therefore as durable as the data, and a worker on any machine can load it.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

import orjson
from django.db import IntegrityError, connections, transaction
from django.db.models import Exists, OuterRef, Q

from marketplace.exceptions import RequestError
from marketplace.loading.chunks import BLANK_LINE, pack
from marketplace.loading.models import LoadRun, LoadRunQuerySet, loading_models

#: Bytes of lines from which a chunk is complete.
CHUNK_SIZE = 1 << 20

#: The source of runs that were pushed, instead of file names.
SOURCE = "push"

#: Attempts to load a run that fails or whose process is killed. After that, the run needs manual
#: review.
MAX_ATTEMPTS = 5

# A server configured for speed instead of durability must not lose a push: clients delete what
# the API has accepted.
_SETTINGS = """
SELECT
    set_config('synchronous_commit', 'on', true),
    set_config('lock_timeout', %(lock_timeout)s, true)
"""


class Receipt(NamedTuple):
    """The outcome of a push.

    :param is_duplicate: whether the run belongs to an earlier, equal push with the same key
    """

    run_id: int
    status: str
    is_duplicate: bool


class Push(NamedTuple):
    """A push without its lines.

    :param key: the idempotency key, or None
    :param options: those of the run: see `LoadRun.options`
    :param parameters: the parameters of the request: pushes with other parameters are not equal
    """

    platform: str
    key: str | None
    options: Mapping[str, Any]
    parameters: Mapping[str, str]
    received_at: datetime


def store(alias: str, push: Push, lines: Iterable[bytes], *, lock_timeout: float) -> Receipt:
    """Store a push as a queued run, or find the run of an earlier, equal one.

    Concurrent calls are safe. The transaction begins when the first chunk is complete, so that none
    is open while a small push is received. An error of `lines` rolls it back.

    :param lines: without their line ends
    :param lock_timeout: seconds to wait for another push with the same key that is being stored
    :raises RequestError: if the key was used for another push
    :raises django.db.Error: if the database cannot be used
    """
    parameters = orjson.dumps(push.parameters, option=orjson.OPT_SORT_KEYS)
    digest = hashlib.blake2b(parameters, digest_size=16)
    chunks = _chunks(lines, digest)
    first = next(chunks, b"")
    with transaction.atomic(using=alias):
        with connections[alias].cursor() as cursor:
            cursor.execute(_SETTINGS, {"lock_timeout": f"{lock_timeout:g}s"})
        run = _create_run(alias, push)
        if run is None:
            # The digest covers all lines.
            for _ in chunks:
                pass
            return _find_duplicate(alias, push, digest.hexdigest())
        _create_chunks(alias, run, chain([first], chunks))
        state = {"digest": digest.hexdigest(), "attempts": 0}
        run.options = {**push.options, "push": state}
        run.save(update_fields=["options"])
    return Receipt(run.pk, run.status, False)


def unfinished(alias: str) -> LoadRunQuerySet:
    """Return the pushed runs with chunks left to load, the oldest first.

    This includes runs that a worker is loading, runs whose worker was killed, and failed runs.
    """
    # The subquery makes PostgreSQL start from the chunks, which are few, not from the runs.
    models = loading_models(alias)
    chunks = models.chunks.received().filter(Q(run=OuterRef("pk")))
    runs = models.runs.in_progress() | models.runs.failed()
    return runs.filter(Exists(chunks), options__has_key="push").order_by("pk")


def is_given_up(run: Any) -> bool:
    """Return whether an unfinished run has used all its attempts and needs manual review."""
    return bool(
        run.status != LoadRun.Status.QUEUED
        and run.options["push"].get("attempts", 0) >= MAX_ATTEMPTS
    )


def is_waiting(alias: str, run: Any) -> bool:
    """Return whether a worker will load the run, or resume it after a failure."""
    if run.status != LoadRun.Status.FAILED or "push" not in run.options:
        return bool(run.status == LoadRun.Status.QUEUED)
    return unfinished(alias).filter(pk=run.pk).exists() and not is_given_up(run)


def count_attempt(alias: str, run: Any, step: float = 1) -> bool:
    """Add an attempt to load the run; return False if the run no longer exists.

    A run disappears if its database is restored. Its key may then belong to another run.

    :param step: -1 takes back the last attempt, a fraction a part of it; MAX_ATTEMPTS uses up all
        attempts of a run that cannot succeed
    """
    with transaction.atomic(using=alias):
        rows = loading_models(alias).runs.select_for_update()
        row = rows.filter(pk=run.pk, platform=run.platform, started_at=run.started_at).first()
        if row is None:
            return False
        state = row.options["push"]
        state["attempts"] = round(state.get("attempts", 0) + step, 1)
        row.save(update_fields=["options"])
    return True


def _chunks(lines: Iterable[bytes], digest: Any) -> Iterator[bytes]:
    """Yield lines joined into chunks of about CHUNK_SIZE bytes, and add them to the digest."""
    # A buffer instead of a list: a push may have millions of very short lines.
    buffer = bytearray()
    for line in lines:
        digest.update(line + b"\n")
        buffer += (line if line.strip() else BLANK_LINE) + b"\n"
        if len(buffer) >= CHUNK_SIZE:
            yield bytes(buffer[:-1])
            buffer.clear()
    if buffer:
        yield bytes(buffer[:-1])


def _create_run(alias: str, push: Push) -> Any | None:
    """Return the new run, or None if a run with the same key exists.

    Waits for a concurrent transaction that inserts the same key.
    """
    try:
        with transaction.atomic(using=alias):
            return loading_models(alias).runs.create(
                platform=push.platform,
                source=SOURCE,
                idempotency_key=push.key,
                status=LoadRun.Status.QUEUED,
                started_at=push.received_at,
            )
    except IntegrityError:
        return None


def _create_chunks(alias: str, run: Any, chunks: Iterable[bytes]) -> None:
    rows = loading_models(alias).chunks
    for sequence, chunk in enumerate(chunks, 1):
        rows.create(run=run, sequence=sequence, body=pack([chunk]))


def _find_duplicate(alias: str, push: Push, digest: str) -> Receipt:
    """Return the receipt of the earlier push with the same key.

    :raises RequestError: if it had other lines or parameters
    """
    runs = loading_models(alias).runs.of(push.platform)
    run = runs.get(idempotency_key=push.key)
    if run.options.get("push", {}).get("digest") != digest:
        raise RequestError(
            409,
            f"The key {push.key} was used before, for another body or other parameters. Use a new "
            "key for each push; repeat a key only to send the same push again.",
        )
    return Receipt(run.pk, run.status, True)
