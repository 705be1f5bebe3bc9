"""Strategies of Hypothesis for the rows that questions are asked about.

Values are few, so that there are ties, and include 0, None, and currencies and days without a rate.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import Phase, settings
from hypothesis import strategies as st

#: The same examples in each run. They are not shrunk, because that takes minutes.
examples = settings(
    max_examples=10,
    derandomize=True,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),
)

#: The first midnight in Tashkent of the days of `times`; a dollar has no rate on the first day.
FIRST = datetime(2026, 7, 31, 19, tzinfo=UTC)

currencies = st.sampled_from(("UZS", "UZS", "UZS", "USD", "USD", "EUR", None))
amounts = st.sampled_from((None, *map(Decimal, (0, 1, 100, 100, 200)))) | st.decimals(
    Decimal("0.01"), 10**7, places=2
)


def times(days, start=FIRST):
    """Return times within a number of days; a third of them at the start of a day in Tashkent."""
    seconds = st.integers(0, days * 86400 - 1)
    midnights = st.integers(0, days - 1).map(lambda day: day * 86400)
    return (seconds | seconds | midnights).map(lambda number: start + timedelta(seconds=number))


def optional(*values):
    """Return one of the values, or None."""
    return st.sampled_from((None, *values))


def few_or_many(row, count=30):
    """Return lists with no, one or two rows, or with about `count` rows."""
    return st.lists(row, max_size=2) | st.lists(row, min_size=count - 5, max_size=count + 5)


def replace_rows(model, rows):
    """Store rows in place of those of an earlier example, with numbers as addresses."""
    model.objects.all().delete()
    for number, row in enumerate(rows, 1):
        row.external_id = f"{model._meta.model_name}{number}"
    model.objects.bulk_create(rows)
