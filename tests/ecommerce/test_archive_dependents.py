"""Objects that depend on the table of a month prevent archiving it."""

import pytest
from django.db import connections
from django.utils import timezone

from ecommerce.archive import dependents, months
from ecommerce.archive.months import Place
from ecommerce.models import ArchivedMonth
from tests.commands import run
from tests.ecommerce.archiving import JUNE, MAY, make_history, rows

pytestmark = [
    pytest.mark.django_db(databases=["ecommerce"], transaction=True),
    pytest.mark.usefixtures("archive_dir"),
]

AGE = f"--older-than={(timezone.now().date() - JUNE).days - 31}d"

MONTH = "ecommerce_price_history_2021_05"

DEPENDENTS = {
    "materialized view may_prices": (
        f"CREATE MATERIALIZED VIEW may_prices AS SELECT offer_id, price FROM {MONTH}",  # noqa: S608
        "DROP MATERIALIZED VIEW may_prices",
    ),
    "view may_view": (
        f"CREATE VIEW may_view AS SELECT * FROM {MONTH}",  # noqa: S608 # a constant
        "DROP VIEW may_view",
    ),
    "constraint may_notes_id_at_fkey on table may_notes": (
        "CREATE TABLE may_notes (id bigint, at timestamptz, "
        f"FOREIGN KEY (id, at) REFERENCES {MONTH} (id, recorded_at))",
        "DROP TABLE may_notes",
    ),
    "publication may_feed": (
        f"CREATE PUBLICATION may_feed FOR TABLE {MONTH}",
        "DROP PUBLICATION may_feed",
    ),
    f"function may_price({MONTH})": (
        f"CREATE FUNCTION may_price(point {MONTH}) RETURNS numeric "
        "LANGUAGE sql AS 'SELECT (point).price'",
        f"DROP FUNCTION may_price({MONTH})",
    ),
}


def execute(statement):
    with connections["ecommerce"].cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture
def dependent(request):
    """An object that depends on the table of May."""
    create, drop = DEPENDENTS[request.param]
    make_history(days=60, offers=4)
    execute(create)
    yield request.param
    execute(drop)


@pytest.mark.parametrize("dependent", DEPENDENTS, indirect=True)
def test_dependent_is_named_and_the_month_stays_attached(dependent):
    before = rows(MAY)

    planned = run("db_archive", AGE, "--dry-run")
    result = run("db_archive", AGE, "--force")

    for outcome in (planned, result):
        assert outcome.code == 1
        assert f"2021-05 failed: The table {MONTH} cannot be dropped" in outcome.err
        assert f"because other objects depend on it: {dependent}. " in outcome.err
    assert months.place(MAY) is Place.ATTACHED
    assert rows(MAY) == before
    # The other month is archived.
    assert list(ArchivedMonth.objects.values_list("month", flat=True)) == [JUNE]


@pytest.mark.parametrize("dependent", ["materialized view may_prices"], indirect=True)
def test_detached_month_with_a_dependent_is_attached(dependent):
    before = rows(MAY)
    months.mark(MAY, len(before), "0" * 64)
    months.detach(MAY)

    result = run("db_archive", AGE, "--force")

    assert result.code == 1
    assert dependent in result.err
    assert months.place(MAY) is Place.ATTACHED
    assert months.mark_of(MAY) is None
    assert rows(MAY) == before


def test_dependents_of_the_whole_price_history_are_ignored():
    make_history(days=60, offers=4)
    execute("CREATE MATERIALIZED VIEW all_prices AS SELECT * FROM ecommerce_price_history")
    try:
        assert dependents.names(MAY) == []
        assert run("db_archive", AGE, "--force").code == 0
    finally:
        execute("DROP MATERIALIZED VIEW all_prices")
