"""Quarantine: records that cannot be loaded are stored, with the reason, for manual review."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import zstandard
from django.db import connections
from psycopg2.sql import SQL, Identifier

from marketplace.loading import staging
from marketplace.loading.deduplication import digest
from marketplace.loading.items import Reject
from marketplace.loading.models import loading_models, table_of

_COMPRESSION_LEVEL = 3

_COLUMNS = (
    "platform",
    "external_id",
    "content_hash",
    "reason",
    "field",
    "source",
    "payload",
    "shape",
    "context",
    "options",
    "observed_at",
    "observed_times",
    "first_seen_at",
    "last_seen_at",
    "seen_count",
    "run_id",
)

_UPSERT = """
INSERT INTO {table} AS t ({names}) VALUES {rows}
ON CONFLICT (platform, content_hash) DO UPDATE SET
    reason = EXCLUDED.reason,
    field = EXCLUDED.field,
    source = EXCLUDED.source,
    run_id = EXCLUDED.run_id,
    shape = EXCLUDED.shape,
    context = EXCLUDED.context,
    options = EXCLUDED.options,
    last_seen_at = EXCLUDED.last_seen_at,
    seen_count = t.seen_count + EXCLUDED.seen_count,
    observed_times = ARRAY(
        SELECT DISTINCT unnest(t.observed_times || EXCLUDED.observed_times) ORDER BY 1
    )
"""


def store(
    alias: str,
    platform: str,
    run_id: int,
    source: str,
    rejects: list[Reject],
    options: Mapping[str, str],
    now: datetime,
) -> None:
    """Store rejects in the quarantine. A payload that is stored already is counted, not repeated.

    :param source: full path or name of the source that the rejects were read from
    :param options: the options of the run, which a release of the records uses again
    """
    if not rejects:
        return
    # Rejects with equal bytes share a row, which one statement can write only once.
    rejects_by_hash: dict[bytes, list[Reject]] = {}
    for reject in rejects:
        rejects_by_hash.setdefault(digest(reject.payload), []).append(reject)
    row = SQL("({})").format(SQL(", ").join([SQL("%s")] * len(_COLUMNS)))
    statement = SQL(_UPSERT).format(
        table=table_of(loading_models(alias).quarantined),
        names=SQL(", ").join(map(Identifier, _COLUMNS)),
        rows=SQL(", ").join([row] * len(rejects_by_hash)),
    )
    common = {
        "platform": platform,
        "source": source,
        "run_id": run_id,
        "first_seen_at": now,
        "last_seen_at": now,
        "options": staging.as_json(dict(options)),
    }
    values: list[Any] = []
    for content_hash in sorted(rejects_by_hash):
        columns = _columns(content_hash, rejects_by_hash[content_hash], common)
        values += [columns[name] for name in _COLUMNS]
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, values)


def _columns(
    content_hash: bytes, rejects: list[Reject], common: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the row of rejects with equal bytes: the last one, with the times of all of them."""
    last = rejects[-1]
    return {
        **common,
        "external_id": last.external_id[:255].replace("\0", ""),
        "content_hash": content_hash,
        "reason": last.reason.replace("\0", ""),
        "field": last.field[:255].replace("\0", ""),
        "source": f"{common['source']}: {last.place}",
        "payload": zstandard.compress(last.payload, _COMPRESSION_LEVEL),
        "shape": last.shape,
        "context": staging.as_json(last.context),
        "observed_at": last.observed_at,
        "observed_times": sorted(filter(None, {reject.observed_at for reject in rejects})),
        "seen_count": len(rejects),
    }
