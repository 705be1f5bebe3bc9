"""Health of the databases, for monitoring."""

import asyncio

from django.db import Error, connections

from marketplace.databases.parallel import run_on_all
from marketplace.exceptions import MarketplaceError
from marketplace.registry import ALIASES

#: Seconds without an answer after which a database is reported as unhealthy.
TIME_LIMIT = 4.0


async def check_all_databases_health() -> dict[str, bool]:
    """Return whether each of the three databases answers a query, within `TIME_LIMIT`."""
    return await asyncio.to_thread(check_health)


def check_health() -> dict[str, bool]:
    """Return whether each database answers a query, like `check_all_databases_health`."""
    results = run_on_all(_is_healthy, ALIASES, seconds=TIME_LIMIT)
    return {alias: results.get(alias, False) for alias in ALIASES}


def _is_healthy(alias: str) -> bool:
    try:
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT 1")
            return bool(cursor.fetchone() == (1,))
    except (Error, MarketplaceError):
        return False
