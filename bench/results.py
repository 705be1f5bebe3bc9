"""What was measured: a series of timings for each contender, part and phase."""

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
    """The timings of one contender with the same load.

    :param part: into what was loaded: "empty" or "large" tables, or "platforms"
    :param phase: what was loaded: "first", "unchanged", "changed", "rescraped"
    :param records: how many records a load reads
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
        """The median of the seconds without parsing, where that was told."""
        told = [t.writing_seconds for t in self.timings if t.writing_seconds is not None]
        return statistics.median(told) if told else None

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.median

    def as_json(self) -> dict[str, Any]:
        """Return what the report says of it."""
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
    """All that was measured in a run, as it grows.

    :param storage: table → bytes after a first load, without VACUUM
    :param memory: what the load of a large file took
    :param full: the loads at the full scale
    """

    series: dict[tuple[str, str, str], Series] = field(default_factory=dict)
    storage: dict[str, int] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    full: list[dict[str, Any]] = field(default_factory=list)

    def measure(
        self, part: str, contender: str, phase: str, records: int, *arguments: str | Path
    ) -> None:
        """Let a contender load something in a process of its own; keep and show its timing.

        :param records: how many records that is, where the contender does not count them
        :raises MarketplaceError: if it fails
        """
        timing = run(contender, *arguments)
        self.add(Series(part, contender, phase, timing.records or records), timing)

    def add(self, series: Series, timing: Timing) -> None:
        """Keep and show a timing, in the series of this part, contender and phase."""
        part, contender, phase = key = series.part, series.contender, series.phase
        found = self.series.setdefault(key, series)
        found.timings.append(timing)
        rate = found.records / timing.seconds
        show(f"{part:9} {contender:11} {phase:10} {timing.seconds:8.3f} s {rate:10,.0f}/s")

    def get(self, part: str, contender: str, phase: str) -> Series | None:
        """Return a series, if it was measured."""
        return self.series.get((part, contender, phase))


def run(contender: str, *arguments: str | Path) -> Timing:
    """Let a contender load something in a process of its own.

    :raises MarketplaceError: if it fails
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
