"""`python -m bench.backup`: measure a backup set against `pg_dump | gzip`, one database at a time.

The databases are filled first, in the proportions of the whole market (see `bench.full`): with
BENCH_BACKUP_PRODUCTS products of Uzum, 120,000 by default, and a proportional number of ads and
lots, more than 1 GB in total. Both methods then write the same databases to the same disk, in
turns.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import django

#: Products that are loaded. The others are copies of them.
_LOADED = 10_000


class Turn(NamedTuple):
    """The seconds and bytes of both methods in one turn, and the bytes of plain dumps."""

    gzip_seconds: float
    gzip_bytes: int
    set_seconds: float
    set_bytes: int
    plain_bytes: int


def main() -> None:
    """Fill the databases, measure, print the ratios, and write them as JSON."""
    arguments = _parse()
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.settings"
    django.setup()
    # These modules import models, which requires django.setup().
    from django.conf import settings

    from bench import server
    from bench.results import show

    folder = Path(settings.DATA_DIR, "backup")
    try:
        server.start()
        _fill(arguments.products)
        turns = []
        for number in range(arguments.repeats):
            show(f"turn {number + 1} of {arguments.repeats}")
            turns.append(_turn(folder))
    finally:
        server.stop()
    report = _report(turns)
    path = arguments.report or Path(settings.DATA_DIR, "bench-backup.json")
    path.write_text(json.dumps(report, indent=2) + "\n")
    sys.stdout.writelines(f"{line}\n" for line in (*_lines(report), f"Written to {path}."))


def _fill(products: int) -> None:
    from bench import base, files, full, server
    from bench.corpus import START
    from bench.results import run, show
    from marketplace.databases.initialization import initialize
    from marketplace.registry import ALIASES, CONTROL

    server.make_all_empty()
    initialize(CONTROL, START.date())
    for alias in ALIASES:
        server.restore(alias, server.EMPTY)
    loaded = min(products, _LOADED)
    share = products / full.PRODUCTS
    show(f"filling the databases with {share:.0%} of the market")
    run("ours", files.uzum(range(loaded)))
    base.multiply("ecommerce", max(products // loaded, 1))
    for records in (
        files.records("olx", int(full.LISTINGS * share)),
        files.lots(int(full.LOTS * share)),
    ):
        run("ours", *records.arguments)
    for alias in ALIASES:
        server.settle(alias)


def _turn(folder: Path) -> Turn:
    from marketplace.postgresql import programs

    folder.mkdir(parents=True, exist_ok=True)
    dump = str(programs.program_path("pg_dump"))
    started = time.perf_counter()
    sizes = [_dump_and_pack(dump, name, host, folder / "dump.gz") for name, host in _databases()]
    gzip_seconds = time.perf_counter() - started
    plain = sum(_plain_bytes(dump, name, host) for name, host in _databases())
    started = time.perf_counter()
    backup = subprocess.run(
        [sys.executable, "manage.py", "db_backup", "--format", "json"],
        env=os.environ | {"BACKUP_DIR": str(folder / "sets")},
        check=True,
        capture_output=True,
    )
    set_seconds = time.perf_counter() - started
    return Turn(gzip_seconds, sum(sizes), set_seconds, json.loads(backup.stdout)["bytes"], plain)


def _databases() -> Iterator[tuple[str, str]]:
    from django.db import connections

    """Yield the name and the host of each database."""
    for alias in connections:
        name = connections[alias].settings_dict["NAME"]
        yield str(name), str(connections[alias].get_connection_params()["host"])


def _dump_and_pack(program: str, name: str, host: str, path: Path) -> int:
    with path.open("wb") as target:
        dump = subprocess.Popen(_arguments(program, name, host), stdout=subprocess.PIPE)
        subprocess.run(["gzip"], stdin=dump.stdout, stdout=target, check=True)
        if dump.wait():
            raise SystemExit(f"pg_dump of {name} failed.")
    return path.stat().st_size


def _plain_bytes(program: str, name: str, host: str) -> int:
    with subprocess.Popen(_arguments(program, name, host), stdout=subprocess.PIPE) as dump:
        stream = dump.stdout
        return sum(len(part) for part in iter(lambda: stream.read(1 << 20), b"")) if stream else 0


def _arguments(program: str, name: str, host: str) -> list[str]:
    return [program, "--host", host, "--username", "postgres", name]


def _report(turns: list[Turn]) -> dict[str, Any]:
    seconds = [turn.set_seconds / turn.gzip_seconds for turn in turns]
    sizes = [turn.set_bytes / turn.plain_bytes for turn in turns]
    return {
        "turns": [turn._asdict() for turn in turns],
        "seconds_ratio": round(statistics.median(seconds), 3),
        "seconds_target": 0.5,
        "bytes_ratio": round(statistics.median(sizes), 3),
        "bytes_target": 0.35,
    }


def _lines(report: dict[str, Any]) -> Iterator[str]:
    for turn in report["turns"]:
        yield (
            f"pg_dump | gzip {turn['gzip_seconds']:.1f} s, {turn['gzip_bytes'] / 1e6:,.0f} MB; "
            f"a set {turn['set_seconds']:.1f} s, {turn['set_bytes'] / 1e6:,.0f} MB; "
            f"plain {turn['plain_bytes'] / 1e6:,.0f} MB"
        )
    titles = {"seconds": "time over pg_dump | gzip", "bytes": "size over plain dumps"}
    for name, title in titles.items():
        measured, target = report[f"{name}_ratio"], report[f"{name}_target"]
        verdict = "ok" if measured <= target else "MISSED"
        yield f"{title:28} ≤ {target:<5} {measured:6.3f}  {verdict}"


def _parse() -> Namespace:
    parser = ArgumentParser(prog="python -m bench.backup", description=__doc__)
    products = os.environ.get("BENCH_BACKUP_PRODUCTS", "120000")
    parser.add_argument("--products", type=int, default=int(products))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--report", type=Path, help="JSON file to write; default: in DATA_DIR")
    return parser.parse_args()


if __name__ == "__main__":
    main()
