"""Concurrent loaders: the rate of two loaders over that of one, with files that overlap."""

from concurrent.futures import ThreadPoolExecutor

from django.db import router

from bench import files, server
from bench.results import Results, Series, run
from bench.scenarios import Options
from ecommerce.models import Product

PART = "together"
ONE = "one loader"
TWO = "two loaders"


def compare(options: Options, results: Results) -> None:
    """Measure one loader, and two concurrent ones whose files have a quarter in common.

    The rate of two is the number of distinct products over the time of the slower loader.
    """
    alias, count = router.db_for_write(Product), options.products
    first = files.uzum(range(count))
    second = files.uzum(range(count * 3 // 4, count * 7 // 4))
    for _ in range(options.repeats):
        server.restore(alias, server.EMPTY)
        results.measure(PART, "ours", ONE, count, first)
        server.restore(alias, server.EMPTY)
        with ThreadPoolExecutor() as pool:
            timings = list(pool.map(run, ["ours", "ours"], [first, second]))
        slower = max(timings, key=lambda timing: timing.seconds)
        results.add(Series(PART, "ours", TWO, count * 7 // 4), slower)
