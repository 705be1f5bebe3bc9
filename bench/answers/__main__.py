"""Generate the rows, ask each question, and print the times."""

import json
import os
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import django

#: Times that each question is asked; the median counts.
REPEATS = 20

#: Searches: words of titles that the generated rows have.
_WORDS = [
    f"{brand} {kind}"
    for brand in ("samsung", "apple", "artel", "bosch", "xiaomi")
    for kind in ("kettle", "phone", "iron", "lamp")
]

#: Questions about one row, and what selects 20 rows.
_ABOUT = {
    "ecommerce.compare": ("product", "ecommerce_products"),
    "ecommerce.price_history": ("product", "ecommerce_products"),
    "ecommerce.seller": ("seller", "ecommerce_sellers"),
    "classifieds.fair_price": ("listing", "classifieds_listings"),
    "procurement.organization": ("organization", "procurement_organizations"),
}

_SECONDARY = r"""
SELECT i.indexrelid::regclass::text
FROM pg_index AS i
INNER JOIN pg_class AS c ON i.indrelid = c.oid
WHERE
    c.relname LIKE %(prefix)s
    AND c.relkind IN ('r', 'p')
    AND c.relname NOT LIKE '%%\_rollup\_%%'
    AND NOT c.relispartition
    AND NOT i.indisunique
    AND NOT EXISTS (
        SELECT FROM pg_constraint AS k
        WHERE k.conrelid = i.indrelid AND k.contype = 'f' AND k.conkey[1] = i.indkey[0]
    )
"""


def main() -> None:
    """Generate, measure, and print the times as a table and as JSON."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=float(os.environ.get("BENCH_SCALE", "1")))
    parser.add_argument("--report", type=Path)
    parser.add_argument(
        "--keep",
        action="store_true",
        help="Ask databases that exist already; only those of a run with --ours have all indexes.",
    )
    parser.add_argument("--ours", action="store_true", help="Do not ask the plain tables.")
    arguments = parser.parse_args()
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.settings"
    os.environ.setdefault("QUESTION_TIMEOUT", "300")
    django.setup()
    from bench import server
    from marketplace.registry import ALIASES

    server.start()
    try:
        if not arguments.keep:
            for alias in ALIASES:
                _generate(alias, arguments.scale)
        rollups = {alias: _compute_rollups(alias) for alias in ALIASES}
        ours = {alias: _measure(alias) for alias in ALIASES}
        plain: dict[str, dict[str, float]] = {}
        if not arguments.ours:
            for alias in ALIASES:
                _make_plain(alias)
                plain[alias] = _measure(alias, repeats=3)
    finally:
        server.stop()
    report = list(_report(ours, plain, rollups))
    sys.stdout.writelines(
        f"{row['question']:32} {row['ms']:>9.1f} ms"
        + (f" {row['plain_ms']:>9.1f} ms {row['ratio']:>7.1f} x" if plain else "")
        + (f"   rollups: {row['rollups_s']:.1f} s\n" if row["rollups_s"] else "\n")
        for row in report
    )
    if arguments.report:
        content = {"scale": arguments.scale, "questions": report}
        arguments.report.write_text(json.dumps(content, indent=2) + "\n")


def _generate(alias: str, scale: float) -> None:
    """Create a database with generated rows."""
    from django.db import connections

    from bench.results import show
    from ecommerce import partitions
    from marketplace.databases.initialization import initialize

    today = date.today()  # the server and this process have the same day
    initialize(alias, today, drop_first=True)
    if alias == "ecommerce":
        months = [today.year * 12 + today.month - 1 - back for back in range(14)]
        partitions.ensure(alias, [date(month // 12, month % 12 + 1, 1) for month in months])
    started = time.monotonic()
    statements = Path(__file__).with_name(f"{alias}.sql").read_text()
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT setseed(0)")  # the same rows in each run
        cursor.execute(statements, {"scale": scale})
        cursor.execute("VACUUM")
    connections[alias].close()
    show(f"{alias}: generated in {time.monotonic() - started:.0f} s")


def _compute_rollups(alias: str) -> dict[str, float]:
    """Compute the rollups that are due; return the seconds that each took the last time."""
    from bench.results import show
    from marketplace.rollups.refresh import find_due, refresh
    from marketplace.rollups.states import states_of

    for done in refresh(alias, find_due(alias)):
        show(f"{done.rollup.address}: {done.row_count:,} rows in {done.seconds:.1f} s")
    return {state.name: state.seconds for state in states_of(alias)}


def _make_plain(alias: str) -> None:
    """Drop all indexes but those of primary, unique and foreign keys."""
    from django.db import connections

    with connections[alias].cursor() as cursor:
        cursor.execute(_SECONDARY, {"prefix": f"{alias}_%"})
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP INDEX {name}")
        cursor.execute("ANALYZE")


def _measure(alias: str, repeats: int = REPEATS) -> dict[str, float]:
    """Return the median of the milliseconds of each question of a database."""
    from marketplace.questions import ask
    from marketplace.questions.definition import read_questions

    times: dict[str, float] = {}
    for question in read_questions()[0].values():
        if question.alias != alias:
            continue
        for label, variants in _variants(question.name):
            seconds = []
            for number in range(repeats):
                started = time.perf_counter()
                with ask(question.name, limit=200, **variants[number % len(variants)]) as answer:
                    for _ in answer:
                        pass
                seconds.append(time.perf_counter() - started)
                # Slow questions are asked fewer times.
                if sum(seconds) > 60:
                    break
            times[label] = 1000 * median(seconds)
            sys.stderr.write(f"{label}: {times[label]:.1f} ms\n")
    return times


def _variants(name: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield what is asked: the defaults, and 20 rows or searches."""
    if name not in _ABOUT:
        yield name, [{}]
    else:
        parameter, table = _ABOUT[name]
        yield f"{name} ({parameter})", [{parameter: text} for text in _addresses(name, table)]
    if name == "ecommerce.compare":
        yield f"{name} (search)", [{"search": words} for words in _WORDS]


def _addresses(name: str, table: str) -> list[str]:
    from django.db import connections

    with connections[name.partition(".")[0]].cursor() as cursor:
        cursor.execute(
            f"SELECT platform || ':' || external_id FROM {table} "  # noqa: S608 # a name of above
            f"WHERE id IN (SELECT 1 + (7919 * n) % (SELECT max(id) FROM {table}) "
            "FROM generate_series(1, 20) AS n)"
        )
        return [text for (text,) in cursor]


def _report(
    ours: dict[str, dict[str, float]],
    plain: dict[str, dict[str, float]],
    rollups: dict[str, dict[str, float]],
) -> Iterator[dict[str, Any]]:
    from marketplace.questions.definition import get_question

    for alias, times in ours.items():
        for label, milliseconds in times.items():
            names = get_question(label.partition(" ")[0]).rollups
            row: dict[str, Any] = {
                "question": label,
                "ms": round(milliseconds, 1),
                "rollups_s": round(sum(rollups[alias][name] for name in names), 1),
            }
            if plain:
                other = plain[alias][label]
                row |= {"plain_ms": round(other, 1), "ratio": round(other / milliseconds, 1)}
            yield row


if __name__ == "__main__":
    main()
