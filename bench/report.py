"""The report: the measurements and their targets, as text and as JSON.

Keys of the JSON:

- `measured_at`; `machine` and `settings`, on which the measurements depend
- `targets`, each with `name`, `unit`, `target`, `measured` and `is_met`
- `series`, as described in `bench.results.Series`
- `ratios`: the rate of our loader as a multiple of the other's in the same part and phase
- `storage`: bytes of each table after the first load
- `memory`, as described in `bench.memory.load`
- `full`: the loads at full scale

Parts that were not measured are empty.
"""

import json
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from django.db import connections

from bench import full, together
from bench.results import Results, Series
from bench.scenarios import Options
from marketplace.registry import CONTROL


class Target(NamedTuple):
    """A target and its measurement.

    :param is_least: whether the target is a minimum; a maximum if not
    """

    name: str
    unit: str
    target: float
    measured: float
    is_least: bool

    @property
    def is_met(self) -> bool:
        """Whether the measurement meets the target."""
        return self.measured >= self.target if self.is_least else self.measured <= self.target

    @property
    def sentence(self) -> str:
        """The target as a line of text."""
        required = f"{'≥' if self.is_least else '≤'} {self.target:g} {self.unit}"
        verdict = "ok" if self.is_met else "MISSED"
        return f"{self.name:54} {required:>10} {self.measured:9.2f}  {verdict}"


def build(results: Results, options: Options, measured_at: datetime) -> dict[str, Any]:
    """Return the report as JSON values."""
    return {
        "measured_at": measured_at.isoformat(timespec="seconds"),
        "machine": _machine(),
        "settings": asdict(options),
        "targets": [
            target._asdict() | {"is_met": target.is_met}
            for target in targets(results, options.products)
        ],
        "series": [series.as_json() for series in results.series.values()],
        "ratios": dict(_ratios(results)),
        "storage": results.storage,
        "memory": results.memory,
        "full": results.full,
    }


def write(path: Path, report: dict[str, Any]) -> None:
    """Write the report as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, ensure_ascii=False, indent=2) + "\n")


def sentences(results: Results, options: Options) -> Iterator[str]:
    """Yield the lines of the report as text."""
    yield f"{'':41} {'median':>8} {'lowest':>9} {'highest':>9} {'CPU':>8} {'records/s':>10}"
    yield from map(_line, results.series.values())
    yield from map(full.sentence, results.full)
    if results.memory:
        yield f"memory: {', '.join(f'{key} {value:,}' for key, value in results.memory.items())}"
    yield from (f"{name:40} {ratio:8.2f} x" for name, ratio in _ratios(results))
    measured = list(targets(results, options.products))
    if measured:
        yield f"{'':54} {'target':>10} {'measured':>9}"
        yield from (target.sentence for target in measured)


def targets(results: Results, products: int) -> Iterator[Target]:
    """Yield the targets that were measured."""
    for phase, least in (("first", 4.0), ("changed", 10.0), ("unchanged", 25.0)):
        ratio = _ratio(results, "empty", phase, "bulk_create")
        if ratio:
            name = f"{_NAMES[phase]}: our rate over bulk_create's"
            yield Target(name, "x", least, ratio, is_least=True)
    ratio = _ratio(results, "empty", "first", "copy")
    if ratio:
        yield Target("first load: our time over raw COPY's", "x", 1.5, 1 / ratio, is_least=False)
    yield from _growth(results)
    phases = (together.ONE, together.TWO)
    one, two = (results.get(together.PART, "ours", phase) for phase in phases)
    if one and two:
        yield Target("two loaders over one", "x", 1.4, two.rate / one.rate, is_least=True)
    if results.memory:
        peak = results.memory["peak_bytes"] / 1e6
        name = f"peak memory, file of {results.memory['file_bytes'] / 1e9:.1f} GB"
        yield Target(name, "MB", 400, peak, is_least=False)
    if results.storage:
        stored = sum(results.storage.values()) / products / 1000
        yield Target("storage of a product with its offers", "KB", 3.8, stored, is_least=False)


_NAMES = {
    "first": "first load",
    "changed": "reload, 10% of prices changed",
    "unchanged": "reload, unchanged",
}


def _growth(results: Results) -> Iterator[Target]:
    """Yield the targets for the time of our loads into large tables, over that into empty ones."""
    for phase, name in _NAMES.items():
        small, large = (results.get(part, "ours", phase) for part in ("empty", "large"))
        if small and large:
            ratio = large.median / small.median
            yield Target(f"{name}: large over empty tables", "x", 1.3, ratio, is_least=False)


def _ratio(results: Results, part: str, phase: str, peer: str) -> float | None:
    """Return the rate of our loader as a multiple of that of another contender."""
    ours, theirs = results.get(part, "ours", phase), results.get(part, peer, phase)
    return ours.rate / theirs.rate if ours and theirs else None


def _ratios(results: Results) -> Iterator[tuple[str, float]]:
    for part, peer, phase in results.series:
        ratio = _ratio(results, part, phase, peer)
        if ratio and peer != "ours":
            yield f"{part} {phase} ours/{peer}", round(ratio, 3)


def _line(series: Series) -> str:
    row = series.as_json()
    writing_rate = row["without_parsing_per_second"]
    return (
        f"{series.part:9} {series.contender:11} {series.phase:20}"
        f"{series.median:8.3f}s {row['lowest_seconds']:8.3f}s {row['highest_seconds']:8.3f}s "
        f"{row['cpu_seconds']:7.2f}s {series.rate:10,.0f}"
        + (f"  ({writing_rate:,.0f} without parsing)" if writing_rate else "")
    )


def _machine() -> dict[str, Any]:
    with connections[CONTROL].cursor() as cursor:
        cursor.execute("SHOW server_version")
        [version] = cursor.fetchone()
    return {
        "processors": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.platform(),
        "python": platform.python_version(),
        "postgresql": version,
    }
