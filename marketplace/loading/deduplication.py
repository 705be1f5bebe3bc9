"""Recognize documents, items and observations that were loaded before, by their hashes.

All hashes are XXH3 of 128 bits. They distinguish versions of payloads; they are not a protection
against tampering.

The hash of a document covers its bytes. If a document has its own time and was loaded before, it is
skipped without being parsed. The hash of an item covers its shape, payload and context. If it
equals the stored version, only its last-seen time changes. Such an item is not parsed, unless few
items of the batch before were unchanged: then items are parsed as soon as they are read.
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
from marketplace.loading.models import loading_models, table_of
from marketplace.loading.retry import retry
from marketplace.loading.targets import Plan

_SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS

_LOADED_DOCUMENTS = """
SELECT h.position
FROM unnest(%(hashes)s::uuid[]) WITH ORDINALITY AS h (hash, position)
WHERE EXISTS (SELECT FROM {table} AS p WHERE p.document_hash = h.hash)
"""

# OFFSET 0 makes the planner look each hash up in the index of hashes. A new table has no
# statistics: the planner would scan it, or all rows of the platform, for each hash.
_EXISTING_VERSIONS = """
SELECT h.position, t.external_id, t.last_seen_at
FROM unnest(%(hashes)s::uuid[]) WITH ORDINALITY AS h (hash, position)
CROSS JOIN LATERAL (
    SELECT platform, external_id, last_seen_at
    FROM {table}
    WHERE content_hash = uuid_send(h.hash)
    OFFSET 0
) AS t
WHERE t.platform = %(platform)s
"""

_LOADED_OBSERVATIONS = """
SELECT g.id, g.hash
FROM unnest(%(ids)s::text[], %(hashes)s::text[], %(shapes)s::text[], %(times)s::timestamptz[])
    AS g (id, hash, shape, at)
WHERE
    EXISTS (
        SELECT FROM {payloads} AS p
        WHERE
            p.platform = %(platform)s AND p.external_id = g.id
            AND p.content_hash = decode(g.hash, 'hex')
    )
    AND EXISTS (
        SELECT FROM {payloads} AS q
        WHERE
            q.platform = %(platform)s AND q.external_id = g.id AND q.shape = g.shape
            AND (
                q.observed_at = g.at
                OR EXISTS (
                    SELECT FROM {payload_observations} AS s
                    WHERE s.payload_id = q.id AND g.at = ANY(s.observed_times)
                )
            )
    )
"""


class ExistingVersion(NamedTuple):
    """The stored product, listing or lot whose latest version equals an item.

    :param last_seen_at: when that version was observed last
    """

    external_id: str
    last_seen_at: datetime


class Hasher:
    """Compute the hashes of one run's documents and items.

    :param options: options of the run that supply values omitted by payloads; documents that are
        loaded with other options have other hashes
    """

    def __init__(self, adapter: Adapter, options: Mapping[str, str]) -> None:
        content_seed = orjson.dumps([adapter.platform, adapter.version])
        document_seed = orjson.dumps(
            [adapter.platform, adapter.version, dict(options)], option=_SORTED
        )
        self._content = xxhash.xxh3_128(content_seed)
        self._document = xxhash.xxh3_128(document_seed)

    def document(self, raw: bytes) -> str:
        """Return the hash of a document's bytes, as 32 hexadecimal digits."""
        hasher = self._document.copy()
        hasher.update(raw.rstrip())
        return hasher.hexdigest()

    def content(self, shape: str, raw: bytes, raw_context: bytes) -> str:
        """Return the hash of an item's content, as 32 hexadecimal digits.

        :param shape: name of its shape
        :param raw: its payload as JSON; equal payloads have equal bytes
        :param raw_context: its context as JSON with sorted keys; empty if it has none
        """
        hasher = self._content.copy()
        hasher.update(shape.encode())
        hasher.update(raw_context)
        hasher.update(raw)
        return hasher.hexdigest()


def digest(data: bytes) -> bytes:
    """Return a digest of 16 bytes by which data is recognized."""
    return hashlib.blake2b(data, digest_size=16).digest()


@retry
def find_loaded_documents(alias: str, hashes: Sequence[str]) -> set[int]:
    """Return the positions of the documents that were loaded before.

    The result is empty for databases that do not store payloads.
    """
    models = loading_models(alias).payload_models
    if models is None or not hashes:
        return set()
    statement = SQL(_LOADED_DOCUMENTS).format(table=table_of(models.payload))
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, {"hashes": _array(hashes)})
        return {position - 1 for (position,) in cursor.fetchall()}


@retry
def find_existing_versions(
    alias: str, platform: str, plan: Plan, hashes: Sequence[str]
) -> dict[int, ExistingVersion]:
    """Return the stored versions that equal an item, by the position of the item's hash."""
    versions: dict[int, ExistingVersion] = {}
    for target in plan.hashed_targets if hashes else ():
        statement = SQL(_EXISTING_VERSIONS).format(table=Identifier(target.table))
        with connections[alias].cursor() as cursor:
            cursor.execute(statement, {"hashes": _array(hashes), "platform": platform})
            for position, external_id, last_seen_at in cursor.fetchall():
                versions[position - 1] = ExistingVersion(external_id, last_seen_at)
    return versions


def find_loaded_observations(
    alias: str, platform: str, observations: Sequence[tuple[str, str, str, datetime]]
) -> set[tuple[str, str]]:
    """Return external id and content hash of the observations that were loaded before.

    An observation was loaded before if its payload is stored, and any payload of the same item and
    shape is stored for the same time: of several payloads of an item at one time, only one has the
    time noted. The result is empty for databases that do not store payloads.

    :param observations: external id, content hash, shape and time of each
    """
    models = loading_models(alias).payload_models
    if models is None or not observations:
        return set()
    statement = SQL(_LOADED_OBSERVATIONS).format(
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
    """Return hashes as the text of a PostgreSQL array, which psycopg adapts faster than a list."""
    return "{" + ",".join(hashes) + "}"
