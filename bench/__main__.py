"""`python -m bench`: measure the loader, print the results, and write them as JSON."""

import os
import sys
from argparse import ArgumentParser, Namespace
from datetime import UTC, datetime
from pathlib import Path

import django

_PARTS = ("empty", "together", "large", "platforms", "memory", "full")
_CONTENDERS = ("ours", "bulk_create", "copy")


def main() -> None:
    """Run the selected parts. A missed target does not change the exit code."""
    arguments = _parse()
    # Child processes inherit the settings, and so use the same databases.
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.settings"
    django.setup()
    # These modules import models, which requires django.setup().
    from bench import runs
    from marketplace.exceptions import MarketplaceError

    try:
        sys.stdout.writelines(f"{line}\n" for line in runs.run(arguments, datetime.now(UTC)))
    except MarketplaceError as error:
        raise SystemExit(f"Error: {error}") from None


def _parse() -> Namespace:
    parser = ArgumentParser(prog="python -m bench", description=__doc__)
    environment = os.environ.get
    parser.add_argument(
        "--part",
        action="append",
        choices=_PARTS,
        help="part to run, repeatable; default: all but full, and memory only with BENCH_MEMORY=1",
    )
    parser.add_argument(
        "--only", action="append", choices=_CONTENDERS, help="contender to run, repeatable"
    )
    parser.add_argument("--repeats", type=int, default=int(environment("BENCH_REPEATS", "5")))
    parser.add_argument("--products", type=int, default=20_000, help="products to load")
    parser.add_argument(
        "--large", type=int, default=1_000_000, help="products in the large tables before a load"
    )
    parser.add_argument(
        "--records", type=int, default=10_000, help="records to load of each other platform"
    )
    parser.add_argument(
        "--memory-products", type=int, default=250_000, help="products to load in part memory: 2 GB"
    )
    parser.add_argument("--scale", type=float, default=float(environment("BENCH_SCALE", "1")))
    parser.add_argument("--report", type=Path, help="JSON file to write; default: in DATA_DIR")
    arguments = parser.parse_args()
    arguments.part = arguments.part or _default_parts()
    return arguments


def _default_parts() -> list[str]:
    parts = ["empty", "together", "large", "platforms"]
    return [*parts, "memory"] if os.environ.get("BENCH_MEMORY") == "1" else parts


if __name__ == "__main__":
    main()
