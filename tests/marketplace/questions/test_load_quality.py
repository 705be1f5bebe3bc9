"""The quality of loaded data, compared with a computation in Python."""

from collections import defaultdict
from datetime import date
from decimal import Decimal

import pytest
from django.apps import apps
from hypothesis import given
from hypothesis import strategies as st

from tests.amounts import local_day, percent
from tests.questions import analysts, answer  # noqa: F401
from tests.strategies import examples, few_or_many, times

pytestmark = [
    pytest.mark.django_db(databases=["classifieds", "procurement"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]

FIELDS = {
    "classifieds": ("price", "title", "category", "city", "coordinates"),
    "procurement": ("title", "start_cost", "category", "customer", "price"),
}
PLATFORMS = {"classifieds": "olx", "procurement": "uzex"}


@st.composite
def load_runs(draw, model):
    """Return lists of runs within five days."""
    alias = model._meta.app_label
    moments = times(5)
    tally = st.integers(0, 20).flatmap(
        lambda count: st.fixed_dictionaries(
            {
                "count": st.just(count),
                "worst": st.just({}),
                "faults": st.dictionaries(st.sampled_from(FIELDS[alias]), st.integers(0, count)),
            }
        )
    )
    tallies = st.dictionaries(st.sampled_from(("records", "prices", "A", "B of shop")), tally)
    run = st.builds(
        model,
        platform=st.just(PLATFORMS[alias]),
        status=st.sampled_from(("completed", "failed", "held", "queued")),
        newest_observed_at=st.none() | moments,
        started_at=moments,
        read_count=st.sampled_from((0, 3, 200)),
        rejected_count=st.sampled_from((0, 1, 2, 3)),
        held_count=st.sampled_from((0, 2)),
        quality_metrics=st.none() | st.fixed_dictionaries({"tallies": tallies}),
    )
    return draw(few_or_many(run))


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
@examples
@given(st.data())
def test_equals_a_computation(alias, data):
    model = apps.get_model(alias, "LoadRun")
    model.objects.all().delete()
    runs = model.objects.bulk_create(data.draw(load_runs(model)))
    name = f"{alias}.load_quality"

    rows = answer(name, since=None)

    assert rows == expected(alias, runs)
    first, last = date(2026, 8, 2), date(2026, 8, 3)
    assert answer(name, since=first, until=last) == [
        row for row in rows if first <= row["day"] <= last
    ]
