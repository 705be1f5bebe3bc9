"""Loading exchange rates from the command line."""

import json
from datetime import date
from decimal import Decimal
from io import BytesIO, TextIOWrapper

import pytest
from django.apps import apps
from django.db import connections

from marketplace.registry import ALIASES
from tests.commands import run

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds", "procurement"])

JUNE = date(2026, 6, 1)
DOLLAR = {"Ccy": "USD", "Nominal": "1", "Rate": "12650.00", "Date": "01.06.2026"}
ROUBLE = DOLLAR | {"Ccy": "RUB", "Rate": "158.20"}
RUPIAH = DOLLAR | {"Ccy": "IDR", "Nominal": "10", "Rate": "7.62"}


@pytest.fixture
def source(tmp_path):
    """Write a file with a JSON value; return its path."""

    def write(value):
        path = tmp_path / "cbu.json"
        path.write_text(json.dumps(value))
        return str(path)

    return write


def stored(alias):
    rates = apps.get_model(alias, "ExchangeRate").objects.order_by("rate_date", "currency")
    return {rate.currency: (rate.rate_date, rate.rate) for rate in rates}


class TestLoadRates:
    def test_loads_into_each_database(self, source):
        outcome = run("load_rates", source([DOLLAR, ROUBLE, RUPIAH]))

        counts = "3 rates read, 3 new, 0 corrected, 0 unchanged"
        assert outcome == (
            f"ECOMMERCE: {counts}\nCLASSIFIEDS: {counts}\nPROCUREMENT: {counts}\n",
            "",
            0,
        )
        for alias in ALIASES:
            assert stored(alias) == {
                "IDR": (JUNE, Decimal("0.762")),
                "RUB": (JUNE, Decimal("158.2")),
                "USD": (JUNE, Decimal("12650")),
            }

    def test_reads_standard_input(self, monkeypatch):
        stream = TextIOWrapper(BytesIO(json.dumps([DOLLAR]).encode()))
        monkeypatch.setattr("sys.stdin", stream)

        outcome = run("load_rates", "-", "--database", "ecommerce")

        assert outcome.out == "ECOMMERCE: 1 rate read, 1 new, 0 corrected, 0 unchanged\n"

    def test_reports_invalid_entries_and_loads_the_others(self, source):
        path = source([DOLLAR | {"Ccy": "ZZZ"}, DOLLAR, ROUBLE | {"Date": "2026-06-01"}])

        outcome = run("load_rates", path, "--database", "ecommerce")

        assert outcome == (
            "ECOMMERCE: 1 rate read, 1 new, 0 corrected, 0 unchanged\n",
            f"{path}, entry 1, Ccy: 'ZZZ' is not a known currency code (ISO 4217)\n"
            f"{path}, entry 3, Date: '2026-06-01' is not a date like 01.06.2026\n"
            f"2 of 3 rates in {path} omitted because of errors. Correct the file and load it "
            "again.\n",
            0,
        )
        assert stored("ecommerce") == {"USD": (JUNE, 12650)}

    def test_fails_if_nothing_can_be_loaded(self, source):
        path = source([DOLLAR | {"Rate": "0"}])

        outcome = run("load_rates", path)

        assert outcome == (
            "",
            f"{path}, entry 1, Rate: '0' is not above 0\n"
            f"CommandError: The only rate in {path} is invalid. Nothing was loaded. Correct the "
            "file and load it again.\n",
            1,
        )
        assert stored("ecommerce") == {}

    def test_continues_when_a_database_fails(self, source):
        with connections["classifieds"].cursor() as cursor:
            cursor.execute("ALTER TABLE classifieds_exchange_rates RENAME TO elsewhere")

        outcome = run("load_rates", source(DOLLAR))

        counts = "1 rate read, 1 new, 0 corrected, 0 unchanged"
        assert (outcome.out, outcome.code) == (
            f"ECOMMERCE: {counts}\nPROCUREMENT: {counts}\n",
            1,
        )
        assert 'CLASSIFIEDS: relation "classifieds_exchange_rates" does not exist' in outcome.err
        assert "Create the tables: python manage.py init_all." in outcome.err
        assert "CommandError: 1 of 3 databases failed: classifieds\n" in outcome.err


class TestJson:
    def test_has_counts_and_faults(self, source):
        path = source([DOLLAR, ROUBLE | {"Nominal": None}])

        outcome = run("load_rates", path, "--database", "ecommerce", "--format", "json")

        assert outcome.code == 0
        assert json.loads(outcome.out) == {
            "faults": [{"place": "entry 2", "field": "Nominal", "reason": "is missing"}],
            "databases": [
                {
                    "alias": "ecommerce",
                    "error": "",
                    "read": 1,
                    "new": 1,
                    "corrected": 0,
                    "unchanged": 0,
                }
            ],
        }

    def test_names_a_database_that_failed(self, source):
        with connections["procurement"].cursor() as cursor:
            cursor.execute("ALTER TABLE procurement_exchange_rates RENAME TO elsewhere")

        outcome = run("load_rates", source(DOLLAR), "--format", "json")

        databases = json.loads(outcome.out)["databases"]
        assert outcome.code == 1
        assert [bool(database["error"]) for database in databases] == [False, False, True]
