from datetime import date

import pytest
from django.db import connections

from marketplace.databases.creation import create_database, database_exists, drop_database
from marketplace.databases.initialization import Changes, initialize, plan_initialization
from marketplace.databases.partitions import ensure_partitions
from marketplace.databases.probe import CachedProbe
from marketplace.databases.revisions import all_migrations
from marketplace.databases.roles.reconcile import Reconciliation

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds"], transaction=True)

TODAY = date(2031, 11, 20)

MONTHS = [
    "ecommerce_price_history_2031_11",
    "ecommerce_price_history_2031_12",
    "ecommerce_price_history_2032_01",
    "ecommerce_price_history_2032_02",
]

ROLES = ("scratch_ecommerce_owner", "scratch_ecommerce_loader", "scratch_ecommerce_analyst")


def query(alias, statement):
    with connections[alias].cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


class TestCreateDatabase:
    def test_creates_once(self, scratch):
        scratch("classifieds")

        assert create_database("classifieds") is True
        assert create_database("classifieds") is False

        assert query("classifieds", "SHOW server_encoding") == [("UTF8",)]

    def test_concurrent_calls_create_once(self, scratch):
        scratch("classifieds")
        connections["classifieds"].close()

        def create(_name):
            return create_database("classifieds")

        created = CachedProbe(create).results(["a", "b", "c", "d"], seconds=30)

        assert sorted(created.values()) == [False, False, False, True]


class TestDropDatabase:
    def test_terminates_other_connections(self, scratch):
        scratch("classifieds")
        create_database("classifieds")
        other = connections["classifieds"].copy()
        other.connect()

        assert drop_database("classifieds") is True
        assert drop_database("classifieds") is False

        assert not database_exists("classifieds")
        other.close()


class TestInitialize:
    def test_creates_and_migrates_with_partitions(self, scratch):
        scratch("ecommerce")
        expected = Changes(False, True, all_migrations("ecommerce"), tuple(MONTHS))

        planned = plan_initialization("ecommerce", TODAY)
        result = initialize("ecommerce", TODAY)

        assert (
            planned._replace(roles=Reconciliation())
            == result._replace(roles=Reconciliation())
            == expected
        )
        assert planned.roles.created == result.roles.created == ROLES

    def test_changes_nothing_the_second_time(self, scratch):
        scratch("ecommerce")
        initialize("ecommerce", TODAY)

        assert plan_initialization("ecommerce", TODAY) == Changes(False, False, (), ())
        assert initialize("ecommerce", TODAY) == Changes(False, False, (), ())

    def test_drops_first(self, scratch):
        scratch("classifieds")
        create_database("classifieds")
        query("classifieds", "CREATE TABLE precious (id int); SELECT 1")
        expected = Changes(True, True, all_migrations("classifieds"), ())

        planned = plan_initialization("classifieds", TODAY, drop_first=True)
        assert query("classifieds", "SELECT to_regclass('precious')::text") == [("precious",)]
        result = initialize("classifieds", TODAY, drop_first=True)

        assert (
            planned._replace(roles=Reconciliation())
            == result._replace(roles=Reconciliation())
            == expected
        )

        assert query("classifieds", "SELECT to_regclass('precious')::text") == [(None,)]


class TestEnsurePartitions:
    def test_creates_missing_months(self, scratch):
        scratch("ecommerce")
        initialize("ecommerce", date(2031, 10, 31))

        assert ensure_partitions("ecommerce", TODAY) == MONTHS[-1:]
        assert ensure_partitions("ecommerce", TODAY) == []

    def test_does_nothing_for_an_app_without_partitions(self):
        assert ensure_partitions("classifieds", TODAY) == []
