"""The scenarios: contenders take turns, each from the same state of the database.

A turn of our loader has four loads: the first load, the same file again, the file of the next day
with 10% of the prices changed, and the same data observed again a day later. A turn of
`bulk_create` has the first three. A turn of COPY loads the finished rows of our first load.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import router

from bench import base, files, server
from bench.contenders import MANIFEST
from bench.corpus import CHANGED, FIRST, RESCRAPED
from bench.results import Results, run, show
from ecommerce.models import Product
from marketplace.registry import PLATFORMS, get_platform

#: State of the database → part of the report.
LARGE = "large"
_STATES = {server.EMPTY: "empty", LARGE: "large"}

_PHASES = {
    "ours": (FIRST, CHANGED, RESCRAPED),
    "bulk_create": (FIRST, CHANGED),
}


@dataclass(frozen=True)
class Options:
    """The options of a run.

    :param contenders: the contenders, in the order of their turns
    :param repeats: the number of turns of each contender
    :param products: the number of products to load
    :param large: the number of products in the large tables before a load
    :param records: the number of records to load of each other platform
    """

    contenders: tuple[str, ...] = ("ours", "bulk_create", "copy")
    repeats: int = 5
    products: int = 20_000
    large: int = 1_000_000
    records: int = 10_000


def compare(options: Options, state: str, results: Results) -> None:
    """Measure the contenders with products of Uzum, from a state of the database."""
    alias, numbers = router.db_for_write(Product), range(options.products)
    rows = settings.DATA_DIR / "rows" / state
    (rows / MANIFEST).unlink(missing_ok=True)
    for _ in range(options.repeats):
        for contender in options.contenders:
            if contender == "copy":
                _restore(alias, state, numbers, rows)
                results.measure(_STATES[state], contender, "first", len(numbers), rows)
            else:
                server.restore(alias, state)
                _take_turn(alias, state, contender, numbers, results, rows)


def _restore(alias: str, state: str, numbers: range, rows: Path) -> None:
    """Restore the state for COPY; create its rows if no turn of our loader has created them."""
    if not (rows / MANIFEST).exists():
        server.restore(alias, state)
        before = server.highest_keys(alias)
        run("ours", files.uzum(numbers))
        server.export(alias, rows, before)
    server.restore(alias, state)


def _take_turn(
    alias: str, state: str, contender: str, numbers: range, results: Results, rows: Path
) -> None:
    part, count = _STATES[state], len(numbers)
    before = server.highest_keys(alias)
    first, *later = (files.uzum(numbers, visit) for visit in _PHASES[contender])
    results.measure(part, contender, "first", count, first)
    if contender == "ours" and not (rows / MANIFEST).exists():
        if state == server.EMPTY:
            results.storage = server.sizes(alias)
        server.export(alias, rows, before)
    if state == server.EMPTY:
        # In large tables, 2% more rows would not trigger autovacuum.
        server.settle(alias)
    for path, phase in zip((first, *later), ("unchanged", "changed", "rescraped"), strict=False):
        server.checkpoint()
        results.measure(part, contender, phase, count, path)


def make_large(options: Options) -> None:
    """Create the template with many products, unless one with the same label exists."""
    alias = router.db_for_write(Product)
    # These products differ from those that are measured.
    numbers = range(options.products, 2 * options.products)
    path = files.uzum(numbers)
    server.restore(alias, server.EMPTY)
    label = f"{options.large} of {path} in {server.schema(alias)}"
    if server.is_kept(alias, LARGE, label):
        return
    show(f"making tables with {options.large:,} products, which takes minutes, but only once")
    run("ours", path)
    base.multiply(alias, options.large // options.products)
    server.settle(alias)
    server.keep(alias, LARGE)
    server.label(alias, LARGE, label)


def load_platforms(options: Options, results: Results) -> None:
    """Measure our loader with the other platforms: the first load, and the same file again."""
    for platform in _others():
        records = files.records(platform, options.records)
        alias = get_platform(platform).database
        for _ in range(options.repeats):
            server.restore(alias, server.EMPTY)
            for phase in ("first", "unchanged"):
                name = f"{platform} {phase}"
                results.measure("platforms", "ours", name, options.records, *records.arguments)
                server.settle(alias)


def _others() -> Iterable[str]:
    return (platform.name for platform in PLATFORMS if platform.name != "uzum")


def prepare(options: Options) -> None:
    """Start the server, and create the empty templates and the files."""
    server.start()
    server.make_all_empty()
    for visit in (FIRST, CHANGED, RESCRAPED):
        files.uzum(range(options.products), visit)
