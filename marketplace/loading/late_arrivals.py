"""Observations that came late: the history of what they are about is made anew.

A history is a function of all observations, in whatever order they came. What was observed is kept:
each version of a payload, and each time at which it was seen. So what a late one changes is found
by reading all of them again.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from django.apps import apps
from django.db import connections
from psycopg2.sql import SQL, Identifier

from marketplace.exceptions import PayloadError
from marketplace.loading import payloads
from marketplace.loading.adapters import Adapter, Item, Parsed, get_adapter
from marketplace.loading.targets import Plan


class Version(NamedTuple):
    """A version of a payload, and when it was observed."""

    shape: str
    external_id: str
    body: bytes
    times: list[datetime]


def rebuild(alias: str, adapter: Adapter, plan: Plan) -> int:
    """Make the histories anew that late observations of the batch contradict.

    Must be called in the batch's transaction, after it was merged; returns how many points are new.
    """
    with connections[alias].cursor() as cursor:
        external_ids = plan.find_late(cursor, adapter.platform)
        if not external_ids:
            return 0
        known = versions(alias, adapter.platform, external_ids)
        found = observations(alias, adapter, plan, known)
        return plan.rebuild(cursor, adapter.platform, found)


def versions(alias: str, platform: str, external_ids: Iterable[str]) -> Iterator[Version]:
    """Yield all versions of the payloads of some things, in the order in which they came."""
    statement = SQL(
        # A subquery looks at the index of payload_observations, whatever the statistics say.
        "SELECT p.shape, p.external_id, p.body, p.observed_at, ("
        "SELECT array_agg(t.at) FROM {payload_observations} s CROSS JOIN LATERAL unnest(s.observed_times) AS t (at) "
        "WHERE s.payload_id = p.id) FROM {payloads} p "
        "WHERE p.platform = %(platform)s AND p.external_id = ANY(%(ids)s) ORDER BY p.id"
    ).format(
        payloads=Identifier(apps.get_model(alias, "RawPayload")._meta.db_table),
        payload_observations=Identifier(apps.get_model(alias, "PayloadObservation")._meta.db_table),
    )
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, {"platform": platform, "ids": list(external_ids)})
        for shape, external_id, body, observed_at, times in cursor.fetchall():
            yield Version(shape, external_id, bytes(body), [observed_at, *(times or ())])


def observations(
    alias: str, adapter: Adapter, plan: Plan, found: Iterable[Version]
) -> Iterator[Any]:
    """Yield what versions of payloads say of each of their times, in the order given."""
    for version in found:
        parsed = parse(alias, adapter, version)
        if parsed is not None:
            for moment in version.times:
                yield from plan.observe(parsed.records, moment)


def parse(alias: str, adapter: Adapter, version: Version) -> Parsed | None:
    """Return what a version says; None if its form is not read by this adapter (any more)."""
    # A table may come late for what the platform's own payloads told.
    readers = (adapter, get_adapter(adapter.platform))
    found = next((each for each in readers if each.has(version.shape)), None)
    if found is None:
        return None
    stored = payloads.unpack(alias, version.body)
    try:
        return found.parse(Item(version.shape, stored["payload"], stored["context"]))
    except PayloadError:
        return None
