"""The scale of the whole market: the time, memory and disk space of its loads.

The loads are all products with their offers, the same on the next day with 5% of the prices
changed, all listings, and all procurement lots. Each is loaded once.
"""

from pathlib import Path
from typing import Any

from django.db import router

from bench import files, memory, server
from bench.corpus import FULL_FIRST, FULL_NEXT
from bench.results import Results, show
from ecommerce.models import Product
from marketplace.registry import get_platform

PRODUCTS = 800_000
LISTINGS = 500_000
LOTS = 1_500_000


def load(scale: float, results: Results) -> None:
    """Load the whole market, or a part of it.

    :param scale: the part to load; 1 is the whole market
    """
    alias = router.db_for_write(Product)
    numbers = range(int(PRODUCTS * scale))
    server.restore(alias, server.EMPTY)
    for visit in (FULL_FIRST, FULL_NEXT):
        results.full.append(_load("uzum", visit.name, files.uzum(numbers, visit)))
    for records in (
        files.records("olx", int(LISTINGS * scale)),
        files.lots(int(LOTS * scale)),
    ):
        server.restore(get_platform(records.platform).database, server.EMPTY)
        observed_at = ("--observed-at", records.observed_at)
        results.full.append(_load(records.platform, "first", records.path, *observed_at))


def _load(platform: str, phase: str, path: Path, *arguments: str) -> dict[str, Any]:
    server.checkpoint()
    loaded = memory.load(platform, path, *arguments)
    tables = server.sizes(get_platform(platform).database)
    rate = loaded["records"] / loaded["seconds"]
    result = {"platform": platform, "phase": phase, **loaded, "records_per_second": round(rate, 1)}
    result |= {"database_bytes": sum(tables.values()), "table_bytes": tables}
    show(sentence(result))
    return result


def sentence(result: dict[str, Any]) -> str:
    """Return the result of a load as a line of text."""
    return (
        f"full      {result['platform']:11} {result['phase']:20}{result['seconds']:8.1f}s "
        f"{result['records_per_second']:10,.0f}/s, {result['database_bytes'] / 1e9:.2f} GB stored, "
        f"peak memory {result['peak_bytes'] / 1e6:.0f} MB, "
        f"with the server's {result['peak_with_server_bytes'] / 1e6:.0f} MB"
    )
