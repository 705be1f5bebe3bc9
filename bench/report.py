"""The report: what was measured beside its targets, for people and as JSON.

Keys of the JSON: `measured_at`; `machine` and `settings`, of which all depends; `targets`, each
with `name`, `unit`, `target`, `measured`, `is_met`; `series`, as `bench.results.Series` explains;
`ratios`, our rate as a multiple of the other's in the same part and phase; `storage`, bytes of each
table after the first load; `memory`, as `bench.memory.load` explains; `full`, the loads at full
scale. What was not measured is absent from the lists, or empty.
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
    """What is required, beside what was measured.

    :param is_least: whether it is the least that is required, or the most that is allowed
    """

    name: str
    unit: str
    target: float
    measured: float
    is_least: bool

    @property
    def is_met(self) -> bool:
        """Whether what was measured is good enough."""
        return self.measured >= self.target if self.is_least else self.measured <= self.target

    @property
    def sentence(self) -> str:
        """A line for people."""
        wanted = f"{'≥' if self.is_least else '≤'} {self.target:g} {self.unit}"
        verdict = "ok" if self.is_met else "MISSED"
        return f"{self.name:54} {wanted:>10} {self.measured:9.2f}  {verdict}"


def build(results: Results, options: Options, measured_at: datetime) -> dict[str, Any]:
    """Return the report as it is written to the file."""
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
    """Yield the lines of the report for people."""
    yield f"{'':41} {'median':>8} {'lowest':>9} {'highest':>9} {'CPU':>8} {'records/s':>10}"
    yield from map(_line, results.series.values())
    yield from map(full.sentence, results.full)
    if results.memory:
        yield f"memory: {', '.join(f'{key} {value:,}' for key, value in results.memory.items())}"
    yield from (f"{name:40} {ratio:8.2f} x" for name, ratio in _ratios(results))
    found = list(targets(results, options.products))
    if found:
        yield f"{'':54} {'target':>10} {'measured':>9}"
        yield from (target.sentence for target in found)


def targets(results: Results, products: int) -> Iterator[Target]:
    """Yield what is required, as far as it was measured."""
    for phase, least in (("first", 4.0), ("changed", 10.0), ("unchanged", 25.0)):
        ratio = _ratio(results, "empty", phase, "bulk_create")
        if ratio:
            name = f"{_NAMES[phase]}: our rate over bulk_create's"
            yield Target(name, "x", least, ratio, is_least=True)
    ratio = _ratio(results, "empty", "first", "copy")
    if ratio:
        yield Target("first load: our time over raw COPY's", "x", 1.5, 1 / ratio, is_least=False)
    yield from _growth(results)
    one, two = (results.get(together.PART, "ours", each) for each in (together.ONE, together.TWO))
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
    """Yield how much longer our loads take where there are many products already."""
    for phase, name in _NAMES.items():
        small, large = (results.get(part, "ours", phase) for part in ("empty", "large"))
        if small and large:
            ratio = large.median / small.median
            yield Target(f"{name}: large over empty tables", "x", 1.3, ratio, is_least=False)


def _ratio(results: Results, part: str, phase: str, peer: str) -> float | None:
    """Return our rate as a multiple of a peer's."""
    ours, theirs = results.get(part, "ours", phase), results.get(part, peer, phase)
    return ours.rate / theirs.rate if ours and theirs else None


def _ratios(results: Results) -> Iterator[tuple[str, float]]:
    for part, peer, phase in results.series:
        ratio = _ratio(results, part, phase, peer)
        if ratio and peer != "ours":
            yield f"{part} {phase} ours/{peer}", round(ratio, 3)


def _line(series: Series) -> str:
    told = series.as_json()
    further = told["without_parsing_per_second"]
    return (
        f"{series.part:9} {series.contender:11} {series.phase:20}"
        f"{series.median:8.3f}s {told['lowest_seconds']:8.3f}s {told['highest_seconds']:8.3f}s "
        f"{told['cpu_seconds']:7.2f}s {series.rate:10,.0f}"
        + (f"  ({further:,.0f} without parsing)" if further else "")
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
