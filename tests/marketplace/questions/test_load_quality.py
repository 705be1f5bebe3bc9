"""The quality of loaded data, compared with a computation in Python."""

import random
from collections import defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from tests import factories
from tests.amounts import TASHKENT, local_day, percent
from tests.questions import analysts, answer  # noqa: F401

pytestmark = [
    pytest.mark.django_db(databases=["classifieds", "procurement"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]

FIELDS = {
    "classifieds": ("price", "title", "category", "city", "coordinates"),
    "procurement": ("title", "start_cost", "category", "customer", "price"),
}
PLATFORMS = {"classifieds": "olx", "procurement": "uzex"}

#: An evening on which the day in Tashkent is not that in UTC.
FIRST = datetime(2026, 9, 1, 1, tzinfo=TASHKENT)


def create_runs(alias, seed):
    choose = random.Random(seed)
    for _ in range(30):
        time = FIRST + timedelta(hours=choose.randrange(100))
        read = choose.choice((0, choose.randrange(1, 200)))
        tallies = {
            key: {
                "count": (count := choose.randrange(20)),
                "worst": {},
                "faults": {
                    field: choose.randint(0, count)
                    for field in FIELDS[alias]
                    if choose.random() < 0.6
                },
            }
            for key in ("records", "prices", "A", "B of shop")
            if choose.random() < 0.8
        }
        yield factories.load_run(
            alias,
            platform=PLATFORMS[alias],
            status=choose.choice(("completed", "failed", "held", "queued")),
            newest_observed_at=choose.choice((None, time, time)),
            started_at=time + timedelta(days=1),
            read_count=read,
            rejected_count=choose.randint(0, read),
            held_count=choose.randrange(3),
            quality_metrics=choose.choice((None, {"tallies": tallies}, {"tallies": tallies})),
        )


def expected(alias, runs):
    fields = FIELDS[alias]
    days, formats = defaultdict(list), defaultdict(list)
    for run in runs:
        if run.status != "queued":
            day = local_day(run.newest_observed_at or run.started_at)
            days[day].append(run)
            for key, tally in (run.quality_metrics or {"tallies": {}})["tallies"].items():
                if key not in ("records", "prices"):
                    formats[day, key].append(tally)
    rows = {
        (day, ""): {
            "format": None,
            "runs": len(members),
            "read": sum(run.read_count for run in members),
            "rejected": sum(run.rejected_count for run in members),
            "rejected_percent": percent(
                Decimal(sum(run.rejected_count for run in members)),
                sum(run.read_count for run in members),
            ),
            "held": sum(run.held_count for run in members),
            "newest_observed_at": max(
                (run.newest_observed_at for run in members if run.newest_observed_at),
                default=None,
            ),
            "records": None,
            **dict.fromkeys(fields),
        }
        for day, members in days.items()
    }
    unknown = ("runs", "read", "rejected", "rejected_percent", "held", "newest_observed_at")
    for (day, key), tallies in formats.items():
        rows[day, key] = {
            "format": key,
            **dict.fromkeys(unknown),
            "records": sum(tally["count"] for tally in tallies),
            **{
                field: sum(tally["count"] - tally["faults"].get(field, 0) for tally in tallies)
                for field in fields
            },
        }
    return [
        {"platform": PLATFORMS[alias], "day": day, **rows[day, key]}
        for day, key in sorted(rows, key=lambda entry: (-entry[0].toordinal(), entry[1]))
    ]


@pytest.mark.parametrize("alias", FIELDS)
def test_equals_a_computation(alias):
    runs = list(create_runs(alias, alias))
    name = f"{alias}.load_quality"

    rows = answer(name, since=None)

    assert rows == expected(alias, runs)
    first, last = date(2026, 9, 2), date(2026, 9, 3)
    assert answer(name, since=first, until=last) == [
        row for row in rows if first <= row["day"] <= last
    ]


@pytest.mark.parametrize("alias", FIELDS)
def test_an_empty_database(alias):
    assert answer(f"{alias}.load_quality") == []
