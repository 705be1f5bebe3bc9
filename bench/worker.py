"""One load in a process of its own: `python -m bench.worker CONTENDER PATH…`."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

import django


def main(name: str, path: str, *further: str) -> None:
    """Let a contender load a path, all imports being done; write its timing as JSON."""
    django.setup()
    # Models can be imported from here on only.
    from bench.contenders import CONTENDERS

    before = _cpu_seconds()
    timing = CONTENDERS[name](Path(path), *further)
    timing.cpu_seconds = _cpu_seconds() - before
    sys.stdout.write(json.dumps(asdict(timing)))


def _cpu_seconds() -> float:
    """Return the time of the processor that this process and those it waited for have used."""
    usages = map(getrusage, (RUSAGE_SELF, RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == "__main__":
    main(*sys.argv[1:])
