"""What was observed before and says nothing new: recognized by hash, before it is parsed.

There are two hashes, both XXH3 of 128 bits: they tell versions of a payload apart, and guard
nothing. That of a document's bytes recognizes a document that tells
its own time and was loaded already: loading it again is no new observation. That of an item's
shape, payload and context recognizes what a thing's newest observation said: seeing it again moves
its times only.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import orjson
import xxhash
from django.db import connections
from psycopg2.sql import SQL, Identifier

from marketplace.loading.adapters import Adapter
from marketplace.loading.database_models import loading_models, table_of
from marketplace.loading.targets import Plan


class ExistingVersion(NamedTuple):
    """The thing whose newest observation said what an item says.

    :param last_seen_at: when that was
    """

    external_id: str
    last_seen_at: datetime


class Hasher:
    """The hashes of one run's documents and items.

    :param options: what the run says in place of the payloads; other options, other hashes
    """

    def __init__(self, adapter: Adapter, options: Mapping[str, str]) -> None:
        salt = orjson.dumps([adapter.platform, adapter.version])
        said = orjson.dumps([adapter.platform, adapter.version, dict(options)], option=_SORTED)
        self._content = xxhash.xxh3_128(salt)
        self._document = xxhash.xxh3_128(said)

    def document(self, raw: bytes) -> str:
        """Return the hash of a document's bytes, as 32 hexadecimal digits."""
        found = self._document.copy()
        found.update(raw.rstrip())
        return found.hexdigest()

    def content(self, shape: str, raw: bytes, raw_context: bytes) -> str:
        """Return the hash of what an item says, as 32 hexadecimal digits.

        :param shape: name of its shape
        :param raw: its payload as JSON, equal for equal payloads
        :param raw_context: its context as JSON with sorted keys; empty if there is none
        """
        found = self._content.copy()
        found.update(shape.encode())
        found.update(raw_context)
        found.update(raw)
        return found.hexdigest()


_SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


def digest(data: bytes) -> bytes:
    """Return the 16 bytes by which data are recognized."""
    return hashlib.blake2b(data, digest_size=16).digest()


def known_documents(alias: str, hashes: Sequence[str]) -> set[int]:
    """Return the positions of the documents that were loaded before.

    Databases that keep no payloads know none.
    """
    models = loading_models(alias).payload_models
    if models is None or not hashes:
        return set()
    statement = SQL(
        "SELECT h.position FROM unnest(%(hashes)s::uuid[]) WITH ORDINALITY AS h (hash, position) "
        "WHERE EXISTS (SELECT FROM {table} p WHERE p.document_hash = h.hash)"
    ).format(table=table_of(models.payload))
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, {"hashes": _array(hashes)})
        return {position - 1 for (position,) in cursor.fetchall()}


def known_contents(
    alias: str, platform: str, plan: Plan, hashes: Sequence[str]
) -> dict[int, ExistingVersion]:
    """Return the positions of the items that say what is known, each with the thing it is about."""
    found: dict[int, ExistingVersion] = {}
    for target in plan.hashed_targets if hashes else ():
        statement = SQL(
            "SELECT h.position, t.external_id, t.last_seen_at "
            "FROM unnest(%(hashes)s::uuid[]) WITH ORDINALITY AS h (hash, position) "
            # OFFSET 0 makes the planner look each hash up in the index of hashes. A new table has
            # no statistics: the planner would scan it, or all rows of the platform, for each hash.
            "CROSS JOIN LATERAL (SELECT platform, external_id, last_seen_at FROM {table} "
            "WHERE content_hash = uuid_send(h.hash) OFFSET 0) AS t WHERE t.platform = %(platform)s"
        ).format(table=Identifier(target.table))
        with connections[alias].cursor() as cursor:
            cursor.execute(statement, {"hashes": _array(hashes), "platform": platform})
            for position, external_id, last_seen_at in cursor.fetchall():
                found[position - 1] = ExistingVersion(external_id, last_seen_at)
    return found


def loaded_before(
    alias: str, platform: str, observations: Sequence[tuple[str, str, str, datetime]]
) -> set[tuple[str, str]]:
    """Return external id and content hash of the observations that were loaded before.

    Their payload is stored, and some payload of the same item and shape is stored for the same
    time: of several payloads of an item at one time, only one has the time noted. Databases that
    keep no payloads know none.

    :param observations: external id, content hash, shape and time of each
    """
    models = loading_models(alias).payload_models
    if models is None or not observations:
        return set()
    statement = SQL(
        "SELECT g.id, g.hash FROM unnest(%(ids)s::text[], %(hashes)s::text[], %(shapes)s::text[], "
        "%(times)s::timestamptz[]) AS g (id, hash, shape, at) "
        "WHERE EXISTS (SELECT FROM {payloads} p WHERE p.platform = %(platform)s "
        "AND p.external_id = g.id AND p.content_hash = decode(g.hash, 'hex')) "
        "AND EXISTS (SELECT FROM {payloads} q WHERE q.platform = %(platform)s "
        "AND q.external_id = g.id AND q.shape = g.shape AND (q.observed_at = g.at OR EXISTS "
        "(SELECT FROM {payload_observations} s WHERE s.payload_id = q.id AND g.at = ANY(s.observed_times))))"
    ).format(
        payloads=table_of(models.payload),
        payload_observations=table_of(models.observation),
    )
    names = ("ids", "hashes", "shapes", "times")
    columns = zip(names, zip(*observations, strict=True), strict=True)
    values = {"platform": platform} | {name: list(column) for name, column in columns}
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, values)
        return set(cursor.fetchall())


def _array(hashes: Sequence[str]) -> str:
    """Return hashes as a PostgreSQL array: one text is adapted faster than a list of them."""
    return "{" + ",".join(hashes) + "}"
