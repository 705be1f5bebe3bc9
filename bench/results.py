"""The results: a series of timings for each contender, part and phase."""

import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings

from bench.contenders import Timing
from marketplace.exceptions import MarketplaceError

_STARTED = time.monotonic()


@dataclass
class Series:
    """The timings of one contender for the same load.

    :param part: the part of the benchmark: "empty" or "large" tables, "platforms", …
    :param phase: the load: "first", "unchanged", "changed", "rescraped", …
    :param records: the number of records of a load
    """

    part: str
    contender: str
    phase: str
    records: int
    timings: list[Timing] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The median of the seconds."""
        return statistics.median(timing.seconds for timing in self.timings)

    @property
    def writing_median(self) -> float | None:
        """The median of the seconds without parsing; None if they were not measured."""
        seconds = [t.writing_seconds for t in self.timings if t.writing_seconds is not None]
        return statistics.median(seconds) if seconds else None

    @property
    def rate(self) -> float:
        """Records per second."""
        return self.records / self.median

    def as_json(self) -> dict[str, Any]:
        """Return the series in the report's format."""
        seconds = [timing.seconds for timing in self.timings]
        writing = self.writing_median
        return {
            "part": self.part,
            "contender": self.contender,
            "phase": self.phase,
            "records": self.records,
            "repeats": len(seconds),
            "median_seconds": round(self.median, 4),
            "lowest_seconds": round(min(seconds), 4),
            "highest_seconds": round(max(seconds), 4),
            "cpu_seconds": round(statistics.median(t.cpu_seconds for t in self.timings), 4),
            "records_per_second": round(self.rate, 1),
            "without_parsing_per_second": round(self.records / writing, 1) if writing else None,
        }


@dataclass
class Results:
    """The results of a run.

    :param storage: table → bytes after a first load, without VACUUM
    :param memory: the measurements of loading a large file
    :param full: the loads at full scale
    """

    series: dict[tuple[str, str, str], Series] = field(default_factory=dict)
    storage: dict[str, int] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    full: list[dict[str, Any]] = field(default_factory=list)

    def measure(
        self, part: str, contender: str, phase: str, records: int, *arguments: str | Path
    ) -> None:
        """Run a load of a contender in a process of its own; add and show its timing.

        :param records: the number of records, for a contender that does not count them
        :raises MarketplaceError: if the load fails
        """
        timing = run(contender, *arguments)
        self.add(Series(part, contender, phase, timing.records or records), timing)

    def add(self, series: Series, timing: Timing) -> None:
        """Add a timing to the series of this part, contender and phase, and show it."""
        part, contender, phase = key = series.part, series.contender, series.phase
        existing = self.series.setdefault(key, series)
        existing.timings.append(timing)
        rate = existing.records / timing.seconds
        show(f"{part:9} {contender:11} {phase:10} {timing.seconds:8.3f} s {rate:10,.0f}/s")

    def get(self, part: str, contender: str, phase: str) -> Series | None:
        """Return a series; None if it was not measured."""
        return self.series.get((part, contender, phase))


def run(contender: str, *arguments: str | Path) -> Timing:
    """Run a load of a contender in a process of its own.

    :raises MarketplaceError: if the load fails
    """
    done = subprocess.run(
        [sys.executable, "-m", "bench.worker", contender, *map(str, arguments)],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise MarketplaceError(f"{contender} failed: {done.stderr.strip()}")
    return Timing(**json.loads(done.stdout))


def show(text: str) -> None:
    """Write a line of progress."""
    minutes, seconds = divmod(int(time.monotonic() - _STARTED), 60)
    sys.stderr.write(f"[{minutes:3}:{seconds:02}] {text}\n")
    sys.stderr.flush()
