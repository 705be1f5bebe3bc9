import json

import pytest
from django.db import connections

from tests.commands import run

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


@pytest.fixture
def drift():
    """Create a difference in one database for a test."""
    with connections["classifieds"].cursor() as cursor:
        cursor.execute("CREATE TABLE by_hand (id int)")
    yield
    with connections["classifieds"].cursor() as cursor:
        cursor.execute("DROP TABLE by_hand")


class TestDbVerify:
    def test_is_ok_for_each_database(self):
        outcome = run("db_verify")

        lines = outcome.out.splitlines()
        assert [line.split(" (")[0] for line in lines] == [
            "DEFAULT: ok",
            "ECOMMERCE: ok",
            "CLASSIFIEDS: ok",
            "PROCUREMENT: ok",
        ]
        assert (outcome.err, outcome.code) == ("", 0)

    def test_reports_the_difference_and_fails(self, drift):
        outcome = run("db_verify", "--database", "classifieds")

        assert outcome == (
            "CLASSIFIEDS: 1 difference\n   unexpected table by_hand\n"
            "   Next: apply pending migrations with python manage.py db_migrate. Revert manual "
            "changes, or restore the database.\n",
            "CommandError: 1 of 1 database failed: classifieds\n",
            1,
        )

    def test_prints_json(self, drift, set_port):
        set_port("procurement", 1)

        outcome = run(
            "db_verify", "--format=json", "--database=classifieds", "--database=procurement"
        )

        classifieds, procurement = json.loads(outcome.out)
        assert classifieds["drifts"] == ["unexpected table by_hand"]
        assert classifieds["error"] == ""
        assert procurement["alias"] == "procurement"
        assert "Connection refused" in procurement["error"]
        assert outcome.code == 1
