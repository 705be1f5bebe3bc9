"""The inbox: what was pushed waits in the platform's own database, until a worker loads it.

A push is stored as a run with the status `queued` and its lines as chunks, all in one transaction:
what was answered is as durable as the data themselves, and any worker on any machine can load it.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

import orjson
from django.apps import apps
from django.db import IntegrityError, connections, transaction
from django.db.models import Exists, OuterRef, QuerySet

from marketplace.exceptions import MarketplaceError
from marketplace.loading import chunks as packing

#: Bytes of lines from which on a chunk is full.
CHUNK_SIZE = 1 << 20

#: What stands for the files of a run that was pushed.
SOURCE = "push"

#: What stands for a blank line, so that the lines behind it keep their numbers: no documents.
NOTHING = b"[]"

#: How often a run is tried that fails, or whose process is killed; then it is left to a person.
MAX_ATTEMPTS = 5

# A server that trades durability for speed must not do so here: the client forgets what it sent.
_SETTINGS = """
SELECT
    set_config('synchronous_commit', 'on', true),
    set_config('lock_timeout', %(patience)s, true)
"""


class Receipt(NamedTuple):
    """What became of a push.

    :param is_duplicate: whether an earlier push with the same key was the same
    """

    run_id: int
    status: str
    is_duplicate: bool


class KeyConflictError(MarketplaceError):
    """Raised if a key was used before, for something else."""


class Push(NamedTuple):
    """What is pushed, but for its lines.

    :param key: by which it is recognized if it is sent again; None if it is not to be
    :param options: those of the run: see `LoadRun.options`
    :param said: what the client itself said beside the lines; another is another push
    """

    platform: str
    key: str | None
    options: Mapping[str, Any]
    said: Mapping[str, str]
    received_at: datetime


def store(alias: str, push: Push, lines: Iterable[bytes], *, patience: float) -> Receipt:
    """Store a push as a queued run, or find the run of an equal earlier one. Safe to run at once.

    The transaction begins when the first chunk is full, so that small pushes keep none open while
    they are received. An error of `lines` leaves nothing behind.

    :param lines: without their line ends
    :param patience: seconds to wait for another push with the same key that is being stored
    :raises KeyConflictError: if the key was used for another push
    :raises django.db.Error: if the database cannot be used
    """
    digest = hashlib.blake2b(orjson.dumps(push.said, option=orjson.OPT_SORT_KEYS), digest_size=16)
    chunks = _chunks(lines, digest)
    first = next(chunks, b"")
    with transaction.atomic(using=alias):
        with connections[alias].cursor() as cursor:
            cursor.execute(_SETTINGS, {"patience": f"{patience:g}s"})
        run = _create_run(alias, push)
        if run is None:
            for _ in chunks:
                pass
            return _recognize(alias, push, digest.hexdigest())
        _create_chunks(alias, run, chain([first], chunks))
        facts = {"digest": digest.hexdigest(), "attempts": 0}
        run.options = {**push.options, "push": facts}
        run.save(update_fields=["options"])
    return Receipt(run.pk, run.status, False)


def unfinished(alias: str) -> QuerySet[Any]:
    """Return the runs that were pushed and are not loaded to their end, the oldest first.

    Among them are those that a worker is at, or that was killed, and those that failed and keep
    what they were to load.
    """
    # From the few chunks there are to their runs, not the other way round.
    chunks = apps.get_model(alias, "LoadChunk").objects.filter(run=OuterRef("pk"), is_held=False)
    runs: QuerySet[Any] = apps.get_model(alias, "LoadRun").objects.filter(
        Exists(chunks), status__in=("queued", "running", "failed"), options__has_key="push"
    )
    return runs.order_by("pk")


def is_given_up(run: Any) -> bool:
    """Return whether an unfinished run has failed so often that only a person can go on with it."""
    return bool(run.status != "queued" and run.options["push"].get("attempts", 0) >= MAX_ATTEMPTS)


def is_waiting(alias: str, run: Any) -> bool:
    """Return whether a worker will begin the run, or go on with it after a failure."""
    if run.status != "failed" or "push" not in run.options:
        return bool(run.status == "queued")
    return unfinished(alias).filter(pk=run.pk).exists() and not is_given_up(run)


def note_attempt(alias: str, run: Any, step: float = 1) -> bool:
    """Count an attempt to load the run; return whether it is there, in a database that is restored.

    :param step: -1 takes back the attempt that was counted last, a fraction takes back a part of
        it; as many as are left if no other attempt will end better
    """
    with transaction.atomic(using=alias):
        rows = apps.get_model(alias, "LoadRun").objects.select_for_update()
        row = rows.filter(pk=run.pk, platform=run.platform, started_at=run.started_at).first()
        if row is None:
            return False
        facts = row.options["push"]
        facts["attempts"] = round(facts.get("attempts", 0) + step, 1)
        row.save(update_fields=["options"])
    return True


def _chunks(lines: Iterable[bytes], digest: Any) -> Iterator[bytes]:
    """Yield as many lines as fill a chunk at a time, and add them to the digest."""
    # Not a list of lines: millions of them may be empty objects.
    gathered = bytearray()
    for line in lines:
        digest.update(line + b"\n")
        gathered += (line if line.strip() else NOTHING) + b"\n"
        if len(gathered) >= CHUNK_SIZE:
            yield bytes(gathered[:-1])
            gathered.clear()
    if gathered:
        yield bytes(gathered[:-1])


def _create_run(alias: str, push: Push) -> Any | None:
    """Return the new run; None if there is one with the same key, for which it waits."""
    model = apps.get_model(alias, "LoadRun")
    try:
        with transaction.atomic(using=alias):
            return model.objects.create(
                platform=push.platform,
                source=SOURCE,
                idempotency_key=push.key,
                status="queued",
                started_at=push.received_at,
            )
    except IntegrityError:
        return None


def _create_chunks(alias: str, run: Any, chunks: Iterable[bytes]) -> None:
    objects = apps.get_model(alias, "LoadChunk").objects
    for number, chunk in enumerate(chunks, 1):
        objects.create(run=run, sequence=number, body=packing.pack([chunk]))


def _recognize(alias: str, push: Push, digest: str) -> Receipt:
    """Return the receipt of the push that had the key before.

    :raises KeyConflictError: if it was not the same
    """
    runs = apps.get_model(alias, "LoadRun").objects
    known = runs.get(platform=push.platform, idempotency_key=push.key)
    if known.options.get("push", {}).get("digest") != digest:
        raise KeyConflictError(
            f"The key {push.key} was used before, for another body or other parameters. Use a new "
            "key for each push, and the same one only to send the same again."
        )
    return Receipt(known.pk, known.status, True)
