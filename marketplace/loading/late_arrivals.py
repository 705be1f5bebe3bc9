"""Late arrivals: observations that are older than the stored history, which must be rebuilt.

A history is a function of all observations and does not depend on their order of arrival. All
observations are stored as payload versions with their times, so a history is rebuilt by parsing
the stored payloads again.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from django.db import connections

from marketplace.exceptions import PayloadError
from marketplace.loading import payload_versions, payloads
from marketplace.loading.adapters import Adapter, Item, Parsed, get_adapter
from marketplace.loading.payload_versions import PayloadVersion
from marketplace.loading.targets import Plan


def rebuild(alias: str, adapter: Adapter, plan: Plan) -> int:
    """Rebuild the histories that a batch changes with late observations.

    Return the number of new price points. Must be called in the transaction of the batch, after
    the merge.
    """
    with connections[alias].cursor() as cursor:
        external_ids = plan.find_late(cursor, adapter.platform)
        if not external_ids:
            return 0
        versions = payload_versions.read(alias, adapter.platform, external_ids)
        return plan.rebuild(cursor, adapter.platform, observe(alias, adapter, plan, versions))


def observe(
    alias: str, adapter: Adapter, plan: Plan, versions: Iterable[PayloadVersion]
) -> Iterator[Any]:
    """Yield the observations in payload versions, one for each of their times, in the given order.

    Versions that cannot be parsed yield nothing.
    """
    for version in versions:
        parsed = _parse(alias, adapter, version)
        if parsed is not None:
            for time in version.times:
                yield from plan.observe(parsed.records, time)


def _parse(alias: str, adapter: Adapter, version: PayloadVersion) -> Parsed | None:
    """Return the parsed version; None if no adapter has its shape, or if it cannot be parsed."""
    # A table loaded by a mapping may be late for items with payloads of the platform's own shapes.
    adapters = (adapter, get_adapter(adapter.platform))
    reader = next((candidate for candidate in adapters if candidate.has(version.shape)), None)
    if reader is None:
        return None
    stored = payloads.unpack(alias, version.body)
    try:
        return reader.parse(Item(version.shape, stored["payload"], stored["context"]))
    except PayloadError:
        return None
