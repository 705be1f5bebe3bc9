"""The time of an observation: the one that its document states, unless that cannot be right.

A time that the user states always counts. A time that lies in the future, or stays the same while
the content changes, is a fault of the payload: now counts instead, with a warning. The same bytes
stay the same observation: for a file that was loaded before, "now" is its first load.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.utils.timezone import localtime
from psycopg2.sql import SQL, Identifier

from marketplace.loading.adapters import Parsed
from marketplace.loading.database_models import loading_models, table_of
from marketplace.loading.retry import retry_on_disconnect

if TYPE_CHECKING:
    from marketplace.loading.preparation import ParsedItem
    from marketplace.loading.sources import Start

_FUTURE = (
    "The time {at} lies in the future. The time of the first load counts as the time of "
    "observation; use --observed-at to set another."
)
_STANDING = (
    "The time {at} stays the same while the content changes. The time of the first load counts "
    "as the time of observation; use --observed-at to set another."
)

# By the index of external ids. Payloads that the source itself has stored are left out. What a
# source stated at a standing time is stored at the time of the source. Content that is stored at
# the same time already is no change: a category of a feed may have the id of an offer.
_CONTRADICTED = """
WITH moved AS MATERIALIZED (
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
            OR (g.at, observed_at) IN (SELECT at, observed_at FROM moved)
            OR EXISTS (
                SELECT FROM {payload_observations} AS s
                CROSS JOIN LATERAL unnest(s.observed_times) AS seen (at)
                WHERE
                    s.payload_id = {payloads}.id
                    AND (
                        seen.at = g.at
                        OR (g.at, seen.at) IN (SELECT at, observed_at FROM moved)
                    )
            )
        )
    OFFSET 0
) AS p
WHERE
    g.at IN (SELECT at FROM moved)
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
_IS_MOVED = """
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
    """Decides the times of the observations in one source."""

    def __init__(self, start: "Start") -> None:
        self.start = start
        job = start.job
        self.said_at, self.latest = job.said_at, job.latest
        self._alias, self._platform = job.alias, job.platform
        self._warnings: dict[str, str] = {}
        #: Times with several contents, and those of them that were not taken yet.
        self._standing = set(start.stale_times)
        self._new: set[datetime] = set()
        self._tables = _tables(self._alias)

    def judge(self, stated: datetime) -> datetime | None:
        """Return the time that a payload states; None if it does not count."""
        if self.said_at is not None:
            return None
        if stated > self.latest:
            self._warn(_FUTURE, stated)
            return None
        return stated

    def take_warnings(self) -> dict[str, None]:
        """Return the warnings that were not taken yet; of each kind, there is one a source."""
        found = dict.fromkeys(filter(None, self._warnings.values()))
        self._warnings = dict.fromkeys(self._warnings, "")
        return found

    def take_standing(self) -> set[datetime]:
        """Return the times that do not count and were not taken yet."""
        found, self._new = self._new, set()
        return found

    def move(self, parsed_items: "list[ParsedItem]", parsed: Sequence[Parsed | None]) -> None:
        """Replace times that stayed the same for other content by the time of the first load."""
        if not self._tables or all(each.item.fallback is None for each in parsed_items):
            return
        self._find_standing(parsed_items, parsed)
        if not self._standing:
            return
        for position, parsed_item in enumerate(parsed_items):
            item = parsed_item.item
            if item.fallback is not None and item.observed_at in self._standing:
                moved = item._replace(observed_at=item.fallback, fallback=None)
                parsed_items[position] = parsed_item._replace(item=moved)

    def _warn(self, text: str, at: datetime) -> None:
        self._warnings.setdefault(text, text.format(at=localtime(at).isoformat(" ", "minutes")))

    def _find_standing(
        self, parsed_items: "list[ParsedItem]", parsed: Sequence[Parsed | None]
    ) -> None:
        # An item that was recognized has no new content.
        news = [
            (found.external_id, each.item)
            for each, found in zip(parsed_items, parsed, strict=True)
            if found is not None and found.observed_at is None and each.item.fallback
        ]
        news = [(key, each) for key, each in news if each.observed_at not in self._standing]
        if not news:
            return
        found = retry_on_disconnect(self._alias, lambda: self._contradicted(news))
        self._standing |= found
        self._new |= found
        for at in sorted(found):
            self._warn(_STANDING, at)

    def _contradicted(self, news: list[tuple[str, Any]]) -> set[datetime]:
        """Return the times at which other content of the same items is stored."""
        if not self.start.newest_payload:
            # Nothing was stored before the source: a first load asks nothing.
            return set()
        tables = self._tables
        with connections[self._alias].cursor() as cursor:
            ids = [key for key, _ in news]
            values: dict[str, Any] = {
                "platform": self._platform,
                "ids": ids,
                "shapes": [each.shape for _, each in news],
                "hashes": [each.content_hash for _, each in news],
                "times": [each.observed_at for _, each in news],
                "before": self.start.newest_payload,
            }
            cursor.execute(SQL(_CONTRADICTED).format(**tables), values)
            times = {at for (at,) in cursor.fetchall()}
            if times and self.start.is_repeated:
                # The same bytes are the same observation: they had another time only if they did so
                # the first time.
                values = {"platform": self._platform, "ids": ids, "at": self.start.observed_at}
                cursor.execute(SQL(_IS_MOVED).format(**tables), values)
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
