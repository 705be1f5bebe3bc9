"""`python -m bench.archive`: measure the archive of the price history against its table.

Price points of six months are generated in the database: BENCH_ARCHIVE_ROWS of them, 20,000,000 by
default, which is the size of the market with 5% changed prices per day. The same queries then run
on the table and on the archived months, and a copy of a month is removed by DELETE and by DROP
TABLE. The time of COMMIT is measured separately, because that of DROP TABLE includes the release of
the files by the file system.
"""

import json
import os
import statistics
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import django

#: The points are in the first six months of this year.
YEAR = 2024

#: Points per offer.
_PER_OFFER = 9

_OFFERS = """
INSERT INTO ecommerce_categories
    (platform, external_id, path_names, first_seen_at, last_seen_at, updated_at)
SELECT 'uzum', n, 'Root > ' || n, now(), now(), now() FROM generate_series(1, 500) AS n;
INSERT INTO ecommerce_products
    (platform, external_id, title, category_id, first_seen_at, last_seen_at, updated_at)
SELECT
    (ARRAY['uzum', 'wildberries', 'ozon', 'yandex'])[n %% 4 + 1],
    n,
    'Product ' || n,
    (SELECT min(id) FROM ecommerce_categories) + n %% 500,
    now(),
    now(),
    now()
FROM generate_series(1, %(offers)s / 3) AS n;
INSERT INTO ecommerce_offers (
    platform, external_id, product_id, price, currency, scraped_at,
    first_seen_at, last_seen_at, updated_at
)
SELECT
    p.platform, p.external_id || '-' || n, p.id, 1000 + p.id, 'UZS', now(),
    now(), now(), now()
FROM ecommerce_products AS p
CROSS JOIN generate_series(1, 3) AS n;
ANALYZE ecommerce_categories, ecommerce_products, ecommerce_offers;
"""

# Prices vary, and 1 in 1,000 is an outlier. Times have microseconds, so that they are unique.
_POINTS = """
INSERT INTO ecommerce_price_history (
    offer_id, price, old_price, currency, is_available, available_amount,
    price_change, price_change_percent, recorded_at, is_outlier
)
SELECT
    1 + n %% %(offers)s,
    round((50000 + hashint8(n) %% 40000)::numeric + 0.5, 2),
    CASE WHEN n %% 3 = 0 THEN 120000 END,
    'UZS',
    n %% 11 <> 0,
    abs(hashint8(n + 1)) %% 50,
    CASE WHEN n %% 18 <> 0 THEN hashint8(n + 2) %% 9000 END,
    CASE WHEN n %% 18 <> 0 THEN round((hashint8(n + 2) %% 9000) / 500.0, 2) END,
    %(first)s::timestamptz + (n - %(start)s) * (%(span)s::bigint / %(count)s) * interval '1 us',
    CASE WHEN n %% 1000 = 0 THEN true END
FROM generate_series(%(start)s::bigint, %(start)s::bigint + %(count)s - 1) AS n
"""

_PLAIN = """
SELECT currency, count(*), min(price), max(price), sum(price)
FROM {points}
WHERE is_outlier IS NOT TRUE
GROUP BY currency
"""


class Removal(NamedTuple):
    """The seconds of one step of removing a month."""

    part: str
    seconds: float


class Figure(NamedTuple):
    """A measurement and its target.

    :param times: the table's seconds divided by the archive's seconds
    :param target: the required multiple
    """

    name: str
    table_seconds: float
    archive_seconds: float
    times: float
    target: float

    @property
    def sentence(self) -> str:
        """The measurement as a line of text."""
        verdict = "ok" if self.times >= self.target else "MISSED"
        return (
            f"{self.name:42} {self.table_seconds:10.3f} s {self.archive_seconds:10.4f} s "
            f"{self.times:9.1f} x  (at least {self.target:g} x) {verdict}"
        )


def main() -> None:
    """Measure, print the results, and write them as JSON."""
    arguments = _parse()
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.settings"
    django.setup()
    from django.conf import settings

    from bench import server

    server.start()
    try:
        report = measure(arguments.rows, arguments.repeats)
    finally:
        server.stop()
    path = arguments.report or Path(settings.DATA_DIR) / "archive.json"
    path.write_text(json.dumps(report, indent=2) + "\n")
    sys.stdout.writelines(f"{line}\n" for line in _lines(report))


def measure(rows: int, repeats: int) -> dict[str, Any]:
    """Return the report.

    :param rows: the number of points to generate
    :param repeats: the number of runs of each query; the median counts
    """
    from bench.results import show
    from ecommerce.archive import layout, months

    year = [date(YEAR, month, 1) for month in range(1, 7)]
    show(f"generating {rows:,} points")
    _generate(year, rows)
    sizes = {month.month: month.bytes for month in months.table_months()}
    show("querying the table")
    hot = {name: _median(query, repeats) for name, query in _queries()}
    show("deleting and dropping a month")
    deleting, dropping = _remove(year[0])
    moved, archiving = _archive(year)
    show("querying the archive")
    layout.forget_checks()
    checking = _median(_check, 1)
    cold = {name: _median(query, repeats) for name, query in _queries()}
    figures = [Figure(name, hot[name], cold[name], hot[name] / cold[name], 10) for name in hot]
    figures.append(
        Figure(
            "removing a month: DELETE, DROP TABLE",
            deleting[0].seconds,
            dropping[0].seconds,
            deleting[0].seconds / dropping[0].seconds,
            50,
        )
    )
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "rows": sum(month.rows for month in moved),
        "table_bytes": sum(sizes[month] for month in year),
        "archive_bytes": sum(month.archived_bytes for month in moved),
        "archive_seconds": round(archiving, 1),
        "unarchive_seconds": round(_unarchive(year[-1]), 1),
        "check_seconds": round(checking, 3),
        "deleting": [step._asdict() for step in deleting],
        "dropping": [step._asdict() for step in dropping],
        "figures": [figure._asdict() for figure in figures],
    }


def _check() -> None:
    """Check all files, as a process does before it reads them for the first time."""
    from django.db import connections

    from ecommerce.archive import layout, months, reading

    with connections[months.alias()].cursor() as cursor:
        layout.check_fast(reading.files_of(months.file_months(cursor)))


def _queries() -> list[tuple[str, Callable[[], Any]]]:
    from ecommerce import queries

    return [
        ("sums of all points by currency", _plain),
        ("changes by platform and day", queries.daily_changes),
        ("prices by platform, month and currency", queries.monthly_prices),
    ]


def _plain() -> Any:
    """Sum all points, in the table or in the archive, by a plain statement."""
    from django.db import connections

    from ecommerce.archive import months, reading

    with connections[months.alias()].cursor() as cursor:
        archived = months.file_months(cursor)
        if not archived:
            cursor.execute(_PLAIN.format(points="ecommerce_price_history"))
            return cursor.fetchall()
    with reading.points(archived) as archive:
        return archive.execute(_PLAIN.format(points="points")).fetchall()


def _generate(year: list[date], rows: int) -> None:
    from django.db import connections

    from bench import server
    from ecommerce.archive import months
    from ecommerce.partitions import ensure
    from marketplace.databases.initialization import initialize

    alias = months.alias()
    initialize(alias, year[-1], drop_first=True)
    ensure(alias, year)
    offers = max(3, rows // _PER_OFFER // 3 * 3)
    with connections[alias].cursor() as cursor:
        cursor.execute(_OFFERS, {"offers": offers})
        count = rows // len(year)
        for number, month in enumerate(year):
            first, following = months.bounds(month)
            span = (following - first) // timedelta(microseconds=1)
            values = {"offers": offers, "start": number * count, "count": count}
            cursor.execute(_POINTS, {**values, "first": first, "span": span})
    server.settle(alias)


def _median(query: Callable[[], Any], repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        query()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _remove(month: date) -> tuple[list[Removal], list[Removal]]:
    """Return the steps of DELETE and of DROP TABLE on copies of a month."""
    from ecommerce.archive import months

    table = months.table_name(month)
    deleting = [Removal("statement", _time("DELETE FROM bench_month", table))]
    deleting.append(Removal("commit", _time("COMMIT")))
    deleting.append(Removal("space given back", _time("VACUUM bench_month")))
    dropping = [Removal("statement", _time("DROP TABLE bench_month", table))]
    dropping.append(Removal("commit", _time("COMMIT")))
    return deleting, dropping


def _time(statement: str, like: str = "") -> float:
    """Return the seconds of a statement.

    :param like: a table that is copied to bench_month first; the statement then runs in a
        transaction that is left open
    """
    from django.db import connections
    from psycopg2.sql import SQL, Identifier

    from ecommerce.archive import months

    with connections[months.alias()].cursor() as cursor:
        if like:
            cursor.execute("DROP TABLE IF EXISTS bench_month")
            cursor.execute(
                SQL("CREATE TABLE bench_month (LIKE {} INCLUDING ALL EXCLUDING GENERATED)").format(
                    Identifier(like)
                )
            )
            cursor.execute(SQL("INSERT INTO bench_month SELECT * FROM {}").format(Identifier(like)))
            cursor.execute("VACUUM (ANALYZE) bench_month")
            cursor.execute("CHECKPOINT")
            cursor.execute("BEGIN")
        started = time.perf_counter()
        cursor.execute(statement)
        return time.perf_counter() - started


def _archive(year: list[date]) -> tuple[list[Any], float]:
    """Archive all months; return the results, and the seconds."""
    from bench.results import show
    from ecommerce.archive import layout, moving

    started = time.perf_counter()
    moved = []
    with layout.exclusive_lock() as work:
        for month in year:
            show(f"archiving {month:%Y-%m}")
            moved.append(moving.archive(month, work, datetime.now(UTC)))
    return moved, time.perf_counter() - started


def _unarchive(month: date) -> float:
    from ecommerce.archive import layout, moving

    started = time.perf_counter()
    with layout.exclusive_lock() as work:
        moving.unarchive(month, work)
    return time.perf_counter() - started


def _lines(report: dict[str, Any]) -> Iterator[str]:
    rows, gigabyte = report["rows"], 1 << 30
    yield f"{'':42} {'table':>12} {'archive':>12}"
    yield from (Figure(**figure).sentence for figure in report["figures"])
    yield (
        f"{rows:,} points: {report['table_bytes'] / gigabyte:.2f} GB in the table with indexes, "
        + (f"{report['archive_bytes'] / gigabyte:.2f} GB in the archive")
    )
    yield f"checking the files, once per process: {report['check_seconds']} s"
    for name in ("deleting", "dropping"):
        steps = (f"{step['part']} {step['seconds']:.4f} s" for step in report[name])
        yield f"{name} a month: {', '.join(steps)}"
    yield f"archiving: {rows / report['archive_seconds']:,.0f} points per second"
    yield f"restoring a month: {report['unarchive_seconds']} s"


def _parse() -> Namespace:
    parser = ArgumentParser(prog="python -m bench.archive", description=__doc__)
    rows = os.environ.get("BENCH_ARCHIVE_ROWS", "20000000")
    parser.add_argument("--rows", type=int, default=int(rows.replace("_", "")))
    parser.add_argument("--repeats", type=int, default=3, help="runs of each query")
    parser.add_argument("--report", type=Path, help="JSON file to write; default: in DATA_DIR")
    return parser.parse_args()


if __name__ == "__main__":
    main()
