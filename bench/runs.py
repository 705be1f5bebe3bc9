"""A run of the benchmark: its parts in sequence, and the report."""

from argparse import Namespace
from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.db import router

from bench import files, full, memory, report, scenarios, server, together
from bench.results import Results, show
from bench.scenarios import LARGE, Options
from ecommerce.models import Product


def run(arguments: Namespace, measured_at: datetime) -> Iterator[str]:
    """Measure the selected parts, write the report, and yield its lines."""
    options, results = _options(arguments), Results()
    try:
        scenarios.prepare(options)
        for part in arguments.part:
            _measure(part, arguments, options, results)
        path = arguments.report or settings.DATA_DIR / "bench.json"
        report.write(path, report.build(results, options, measured_at))
        yield from report.sentences(results, options)
        yield f"Written to {path}."
    finally:
        server.stop()


def _options(arguments: Namespace) -> Options:
    return Options(
        contenders=tuple(arguments.only or Options.contenders),
        repeats=arguments.repeats,
        products=arguments.products,
        large=arguments.large,
        records=arguments.records,
    )


def _measure(part: str, arguments: Namespace, options: Options, results: Results) -> None:
    if part == "empty":
        scenarios.compare(options, server.EMPTY, results)
    elif part == "large":
        scenarios.make_large(options)
        scenarios.compare(options, LARGE, results)
    elif part == "platforms":
        scenarios.load_platforms(options, results)
    elif part == together.PART:
        together.compare(options, results)
    elif part == "memory":
        results.memory = _load_large_file(range(arguments.memory_products))
    else:
        full.load(arguments.scale, results)


def _load_large_file(numbers: range) -> dict[str, int]:
    path = files.uzum(numbers)
    server.restore(router.db_for_write(Product), server.EMPTY)
    show(f"loading {path.stat().st_size / 1e9:.1f} GB to measure memory")
    return memory.load("uzum", path)
