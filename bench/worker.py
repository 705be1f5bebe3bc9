"""`python -m bench.worker CONTENDER PATH…`: one load in a process of its own."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

import django


def main(name: str, path: str, *further: str) -> None:
    """Run a load of a contender after all imports, and write its timing as JSON."""
    django.setup()
    # This module imports models, which requires django.setup().
    from bench.contenders import CONTENDERS

    before = _cpu_seconds()
    timing = CONTENDERS[name](Path(path), *further)
    timing.cpu_seconds = _cpu_seconds() - before
    sys.stdout.write(json.dumps(asdict(timing)))


def _cpu_seconds() -> float:
    """Return the CPU time of this process and of the child processes that have ended."""
    usages = map(getrusage, (RUSAGE_SELF, RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == "__main__":
    main(*sys.argv[1:])
