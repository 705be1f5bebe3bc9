"""The times of observations: whether the time that a document states is used.

A time of observation that the user specifies is always used. A time in a document is ignored if it
is in the future, or if it is stale: it stays the same while the content changes. Then the
time of the first load of the file is used instead, with a warning: loading it again is the same
observation.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import connections
from psycopg2.sql import SQL, Identifier

from marketplace.humanize import format_time
from marketplace.loading.adapters import Parsed
from marketplace.loading.models import loading_models, table_of
from marketplace.loading.retry import retry

if TYPE_CHECKING:
    from marketplace.loading.items import BatchItem, ParsedItem
    from marketplace.loading.sources import SourceState

_FUTURE = (
    "Time {at} is in the future. The time of the first load of this file is used as observed_at; "
    "override it with --observed-at."
)
_STALE = (
    "Time {at} stays the same while the content changes. The time of the first load of this "
    "file is used as observed_at; override it with --observed-at."
)

# Uses the index on external ids. Payloads that the source itself has stored are excluded by their
# ids. Observations with a stale time are stored at the time of their source. An item whose content
# is already stored at the same time has not changed: a category and an offer of a feed may have the
# same id.
_FIND_STALE_TIMES = """
WITH replaced AS MATERIALIZED (
    SELECT t.at, s.observed_at
    FROM {sources} AS s
    CROSS JOIN LATERAL unnest(s.stale_times) AS t (at)
    WHERE
        s.stale_times <> '{{}}' AND s.stale_times && %(times)s::timestamptz[]
        AND t.at = ANY(%(times)s::timestamptz[])
)
SELECT DISTINCT g.at
FROM unnest(%(ids)s::text[], %(shapes)s::text[], %(hashes)s::uuid[], %(times)s::timestamptz[])
    AS g (id, shape, hash, at)
CROSS JOIN LATERAL (
    SELECT FROM {payloads}
    WHERE
        platform = %(platform)s AND external_id = g.id AND shape = g.shape
        AND content_hash <> uuid_send(g.hash) AND id <= %(before)s
        AND (
            observed_at = g.at
            OR (g.at, observed_at) IN (SELECT at, observed_at FROM replaced)
            OR EXISTS (
                SELECT FROM {payload_observations} AS s
                CROSS JOIN LATERAL unnest(s.observed_times) AS seen (at)
                WHERE
                    s.payload_id = {payloads}.id
                    AND (
                        seen.at = g.at
                        OR (g.at, seen.at) IN (SELECT at, observed_at FROM replaced)
                    )
            )
        )
    OFFSET 0
) AS p
WHERE
    g.at IN (SELECT at FROM replaced)
    OR NOT EXISTS (
        SELECT FROM {payloads} AS q
        WHERE
            q.platform = %(platform)s AND q.external_id = g.id
            AND q.content_hash = uuid_send(g.hash)
            AND (
                q.observed_at = g.at
                OR EXISTS (
                    SELECT FROM {payload_observations} AS s
                    WHERE s.payload_id = q.id AND g.at = ANY(s.observed_times)
                )
            )
    )
"""
_IS_REPLACED = """
SELECT EXISTS (
    SELECT FROM {payloads}
    WHERE
        platform = %(platform)s AND external_id = ANY(%(ids)s)
        AND (
            observed_at = %(at)s
            OR EXISTS (
                SELECT FROM {payload_observations} AS s
                WHERE s.payload_id = {payloads}.id AND %(at)s = ANY(s.observed_times)
            )
        )
)
"""


class Clock:
    """Decide the times of the observations in one source."""

    def __init__(self, state: "SourceState") -> None:
        self.state = state
        job = state.job
        self.overriding_time, self.latest = job.overriding_time, job.latest
        self.alias, self._platform = job.alias, job.platform
        self._warnings: dict[str, str] = {}
        self._stale_times = set(state.stale_times)
        self._new_stale_times: set[datetime] = set()
        self._tables = _tables(self.alias)

    def accept(self, stated: datetime) -> datetime | None:
        """Return the time that a payload states; None if it is ignored."""
        if self.overriding_time is not None:
            return None
        if stated > self.latest:
            self._warn(_FUTURE, stated)
            return None
        return stated

    def take_warnings(self) -> dict[str, None]:
        """Return the warnings since the last call. Each kind is issued once for a source."""
        warnings = dict.fromkeys(filter(None, self._warnings.values()))
        self._warnings = dict.fromkeys(self._warnings, "")
        return warnings

    def take_stale_times(self) -> set[datetime]:
        """Return the stale times that were found since the last call."""
        times, self._new_stale_times = self._new_stale_times, set()
        return times

    def replace_stale_times(
        self, parsed_items: "list[ParsedItem]", results: Sequence[Parsed | None]
    ) -> None:
        """Replace stale times of items by their fallback, the time of the first load."""
        if not self._tables or all(entry.item.fallback is None for entry in parsed_items):
            return
        self._find_stale_times(parsed_items, results)
        if not self._stale_times:
            return
        for position, parsed_item in enumerate(parsed_items):
            item = parsed_item.item
            if item.fallback is not None and item.observed_at in self._stale_times:
                replaced = item._replace(observed_at=item.fallback, fallback=None)
                parsed_items[position] = parsed_item._replace(item=replaced)

    def _warn(self, text: str, at: datetime) -> None:
        self._warnings.setdefault(text, text.format(at=format_time(at)))

    def _find_stale_times(
        self, parsed_items: "list[ParsedItem]", results: Sequence[Parsed | None]
    ) -> None:
        # Unchanged items have no new content, so they cannot make a time stale.
        changed = [
            (parsed.external_id, parsed_item.item)
            for parsed_item, parsed in zip(parsed_items, results, strict=True)
            if parsed is not None and parsed.observed_at is None and parsed_item.item.fallback
        ]
        changed = [
            (key, item) for key, item in changed if item.observed_at not in self._stale_times
        ]
        if not changed:
            return
        times = self._query_stale_times(changed)
        self._stale_times |= times
        self._new_stale_times |= times
        for at in sorted(times):
            self._warn(_STALE, at)

    @retry
    def _query_stale_times(self, changed: "list[tuple[str, BatchItem]]") -> set[datetime]:
        """Return the times at which other content of the same items is stored.

        :param changed: external ids and items
        """
        if not self.state.newest_payload:
            # A first load: no payload was stored before the source.
            return set()
        tables = self._tables
        with connections[self.alias].cursor() as cursor:
            ids = [external_id for external_id, _ in changed]
            values: dict[str, Any] = {
                "platform": self._platform,
                "ids": ids,
                "shapes": [item.shape for _, item in changed],
                "hashes": [item.content_hash for _, item in changed],
                "times": [item.observed_at for _, item in changed],
                "before": self.state.newest_payload,
            }
            cursor.execute(SQL(_FIND_STALE_TIMES).format(**tables), values)
            times = {at for (at,) in cursor.fetchall()}
            if times and self.state.is_repeated:
                # The same file is the same observation: its times are stale only if they were
                # replaced when it was loaded first.
                values = {"platform": self._platform, "ids": ids, "at": self.state.observed_at}
                cursor.execute(SQL(_IS_REPLACED).format(**tables), values)
                if not cursor.fetchone()[0]:
                    return set()
            return times


def _tables(alias: str) -> dict[str, Identifier]:
    """Return the tables that the statements read; none if the database stores no payloads."""
    models = loading_models(alias)
    if models.payload_models is None:
        return {}
    return {
        "payloads": table_of(models.payload_models.payload),
        "payload_observations": table_of(models.payload_models.observation),
        "sources": table_of(models.source),
    }
