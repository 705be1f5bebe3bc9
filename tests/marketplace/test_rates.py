"""Exchange rates: parsing, reading and loading them."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal

import pytest
from django.apps import apps
from django.db import connections

from marketplace.exceptions import PayloadError, SourceError
from marketplace.rates import Fault, Rate, Summary, load_rates, parse_rate, read_rates
from marketplace.registry import ALIASES
from tests import factories
from tests.marketplace.rate_samples import DOLLAR, ENTRY, JULY, JUNE, ROUBLE

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds", "procurement"])


def without(field):
    return {name: value for name, value in ENTRY.items() if name != field}


def stored(alias):
    rates = apps.get_model(alias, "ExchangeRate").objects.order_by("currency", "rate_date")
    return list(rates.values_list("currency", "rate_date", "rate"))


class TestParseRate:
    def test_reads_the_format_of_the_bank(self):
        assert parse_rate(ENTRY) == DOLLAR

    def test_is_for_one_unit(self):
        entry = ENTRY | {"Ccy": "IDR", "Nominal": "10", "Rate": "7.62"}

        assert parse_rate(entry) == Rate("IDR", JUNE, Decimal("0.762000"))

    @pytest.mark.parametrize("rate", [12650, Decimal("12650.00"), "12650", " 12650.0 "])
    def test_accepts_numbers_and_text(self, rate):
        assert parse_rate(ENTRY | {"Nominal": 1, "Rate": rate}) == DOLLAR

    @pytest.mark.parametrize(
        ("field", "value", "reason"),
        [
            ("Ccy", "ZZZ", "'ZZZ' is not a known currency code (ISO 4217)"),
            ("Ccy", "usd", "'usd' is not a known currency code (ISO 4217)"),
            ("Ccy", 840, "840 is not a known currency code (ISO 4217)"),
            ("Ccy", ["USD"], "['USD'] is not a known currency code (ISO 4217)"),
            ("Ccy", "UZS", "'UZS' is so'm itself, which is always 1"),
            ("Ccy", None, "is missing"),
            ("Nominal", "", "is missing"),
            ("Nominal", "0", "'0' is not above 0"),
            ("Nominal", "-10", "'-10' is not above 0"),
            ("Nominal", "1.5", "'1.5' is not a whole number"),
            ("Nominal", "ten", "'ten' is not a number like 12650.00"),
            ("Nominal", True, "True is not a number like 12650.00"),
            ("Rate", "0.00", "'0.00' is not above 0"),
            ("Rate", Decimal("-5"), "-5 is not above 0"),
            ("Rate", "12,650.00", "'12,650.00' is not a number like 12650.00"),
            ("Rate", "12 650", "'12 650' is not a number like 12650.00"),
            ("Rate", "١٢", "'١٢' is not a number like 12650.00"),
            ("Rate", float("nan"), "nan is not a number like 12650.00"),
            ("Rate", 10**14, "100000000000000 is too large"),
            ("Rate", Decimal("1e-99999999"), "divided by Nominal does not fit numeric(20,6)"),
            ("Date", "2026-06-01", "'2026-06-01' is not a date like 01.06.2026"),
            ("Date", "1.6.2026", "'1.6.2026' is not a date like 01.06.2026"),
            ("Date", "06/01/2026", "'06/01/2026' is not a date like 01.06.2026"),
            ("Date", 20260601, "20260601 is not a date like 01.06.2026"),
            ("Date", "31.02.2026", "'31.02.2026' is not a valid date"),
            ("Date", "01.06.0026", "'01.06.0026' is not between 01.07.1994 and 01.01.2100"),
        ],
    )
    def test_names_the_invalid_field(self, field, value, reason):
        with pytest.raises(PayloadError) as raised:
            parse_rate(ENTRY | {field: value})

        assert (raised.value.field, raised.value.reason) == (field, reason)

    @pytest.mark.parametrize("field", ["Ccy", "Nominal", "Rate", "Date"])
    def test_has_no_defaults(self, field):
        with pytest.raises(PayloadError, match=f"^{field}: is missing$"):
            parse_rate(without(field))

    @pytest.mark.parametrize("entry", [7, None, "USD", [ENTRY["Rate"]]])
    def test_refuses_entries_that_are_not_objects(self, entry):
        with pytest.raises(PayloadError, match="is not an object"):
            parse_rate(entry)


class TestReadRates:
    def write(self, path, value):
        path.write_text(json.dumps(value))
        return str(path)

    def test_reads_an_array(self, tmp_path):
        path = self.write(tmp_path / "cbu.json", [ENTRY, ENTRY | {"Ccy": "RUB", "Rate": 158.2}])

        assert read_rates(path) == (path, (DOLLAR, ROUBLE), ())

    def test_reads_one_object(self, tmp_path):
        path = self.write(tmp_path / "usd.json", ENTRY)

        assert read_rates(path).rates == (DOLLAR,)

    def test_reads_a_file_with_a_byte_order_mark(self, tmp_path):
        path = tmp_path / "usd.json"
        path.write_text(json.dumps(ENTRY), encoding="utf-8-sig")

        assert read_rates(str(path)).rates == (DOLLAR,)

    def test_continues_after_an_invalid_entry(self, tmp_path):
        path = self.write(tmp_path / "cbu.json", [without("Date"), ENTRY, 7])

        reading = read_rates(path)

        assert reading.rates == (DOLLAR,)
        assert reading.faults == (
            Fault("entry 1", "Date", "is missing"),
            Fault("entry 3", "", "7 is not an object"),
        )
        assert [str(fault) for fault in reading.faults] == [
            "entry 1, Date: is missing",
            "entry 3: 7 is not an object",
        ]

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "is empty. Fetch"),
            (b" \n", "is empty. Fetch"),
            (b"[]", "has no rates: its list is empty. Fetch"),
            (b"<html>", "is not JSON: Expecting value: line 1 column 1 (char 0). Fetch"),
            (b'[{"Ccy": "USD"', "is not JSON: Expecting ',' delimiter"),
            (b"\xff\xfe\x00", "is not JSON: 'utf-8' codec can't decode"),
            (b"[" * 100_000, "is not JSON: "),
        ],
    )
    def test_reports_a_file_without_rates(self, tmp_path, content, message):
        path = tmp_path / "cbu.json"
        path.write_bytes(content)

        with pytest.raises(SourceError) as raised:
            read_rates(str(path))

        assert str(raised.value).startswith(f"{path} {message}")

    def test_reports_a_missing_file(self, tmp_path):
        with pytest.raises(
            SourceError, match=r"Cannot read .*none: No such file .* Specify a file"
        ):
            read_rates(str(tmp_path / "none"))


class TestLoadRates:
    @pytest.mark.parametrize("alias", ALIASES)
    def test_stores_them(self, alias):
        summary = load_rates(alias, [DOLLAR, ROUBLE])

        assert summary == Summary(read=2, new=2, corrected=0, unchanged=0)
        assert stored(alias) == [ROUBLE, DOLLAR]

    def test_loading_again_changes_nothing(self):
        load_rates("ecommerce", [DOLLAR, ROUBLE])

        summary = load_rates("ecommerce", [DOLLAR, ROUBLE])

        assert summary == Summary(read=2, new=0, corrected=0, unchanged=2)

    def test_a_corrected_rate_replaces_the_rate_of_its_day(self):
        factories.rate("ecommerce", rate_date=JUNE, rate=Decimal("12650"))
        factories.rate("ecommerce", rate_date=JULY, rate=Decimal("12700"))
        corrected = DOLLAR._replace(rate=Decimal("12655.5"))

        summary = load_rates("ecommerce", [corrected, ROUBLE])

        assert summary == Summary(read=2, new=1, corrected=1, unchanged=0)
        assert stored("ecommerce") == [ROUBLE, corrected, ("USD", JULY, 12700)]

    def test_the_last_of_several_counts(self):
        summary = load_rates("ecommerce", [DOLLAR._replace(rate=Decimal(1)), DOLLAR])

        assert summary == Summary(read=2, new=1, corrected=0, unchanged=1)
        assert stored("ecommerce") == [DOLLAR]

    def test_does_not_change_other_databases(self):
        load_rates("procurement", [DOLLAR])

        assert stored("ecommerce") == stored("classifieds") == []

    def test_no_rates_change_nothing(self):
        assert load_rates("ecommerce", []) == Summary(0, 0, 0, 0)

    @pytest.mark.parametrize(
        ("summary", "sentence"),
        [
            (Summary(3, 2, 1, 0), "3 rates read, 2 new, 1 corrected, 0 unchanged"),
            (Summary(1, 0, 0, 1), "1 rate read, 0 new, 0 corrected, 1 unchanged"),
        ],
    )
    def test_the_summary_is_a_sentence(self, summary, sentence):
        assert str(summary) == sentence


@pytest.mark.django_db(databases=["ecommerce"], transaction=True)
class TestConcurrentLoads:
    def test_a_rate_is_new_for_one_loader_only(self):
        rates = [DOLLAR._replace(day=date(2026, 1, day)) for day in range(1, 32)]

        def load(order):
            try:
                return load_rates("ecommerce", rates[::order])
            finally:
                connections["ecommerce"].close()

        with ThreadPoolExecutor(4) as pool:
            summaries = list(pool.map(load, [1, -1, 1, -1]))

        assert sum(summary.new for summary in summaries) == len(stored("ecommerce")) == 31
        assert sum(summary.corrected for summary in summaries) == 0
