"""UZEX: tenders of etender.uzex.uz (UZEX-ETENDER)."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from marketplace.exceptions import PayloadError
from marketplace.loading.adapters import Source
from procurement.records import Lot, Organization
from tests.procurement.uzex_payloads import ADAPTER, TASHKENT, TENDER, load, parse_one


class TestUzexTender:
    def test_reads_the_real_file(self):
        parsed = load("uzex-etender-lots-open.json")

        assert len(parsed) == 22
        assert parsed[0].external_id == "tender:515242"
        assert parsed[0].observed_at == datetime(2026, 10, 5, 12, 21, 13, 563141, tzinfo=UTC)
        with_amount = [entry for entry in parsed if entry.records[-1].start_cost]
        assert len(with_amount) == 8
        assert all(isinstance(entry.records[0], Organization) for entry in with_amount)

    def test_reads_every_field(self):
        parsed = parse_one({"items": {"uzex-etender:513634": TENDER}})

        customer, lot = parsed.records
        assert customer == Organization(
            "name:республиканский центр судебной экспертизы",
            "Республиканский центр судебной экспертизы",
            region="Toshkent shahri",
            is_customer=True,
        )
        assert lot._replace(raw_data=None) == Lot(
            "tender:513634",
            title="75 йиллик тадбир учун хизматлар",
            url="https://etender.uzex.uz/lot/513634",
            lot_type="tender",
            region="Toshkent shahri",
            start_cost=Decimal("146500000.00"),
            currency="UZS",
            customer_external_id=customer.external_id,
            ends_at=datetime(2026, 10, 5, 23, 59, 59, tzinfo=TASHKENT),
        )
        assert parsed.observed_at == datetime.fromtimestamp(1791202873, UTC)

    def test_does_not_store_the_notes_of_the_monitor(self):
        [item] = ADAPTER.split({"items": {"uzex-etender:1": TENDER}}, Source())

        assert item.payload.keys() == {"site", "title", "url", "deadline", "detail"}

    def test_keeps_a_deadline_with_a_time(self):
        entry = TENDER | {"deadline": "2026-10-05T10:00"}

        lot = parse_one({"items": {"uzex-etender:1": entry}}).records[-1]

        assert lot.ends_at == datetime(2026, 10, 5, 10, tzinfo=TASHKENT)

    def test_skips_other_sites_and_refuses_invalid_entries_alone(self):
        entries = {"other:1": TENDER, "uzex-etender:2": None, "uzex-etender:3": TENDER}

        broken, sound = ADAPTER.split({"items": entries}, Source())

        with pytest.raises(PayloadError, match="expected an object, got null"):
            ADAPTER.parse(broken)
        assert ADAPTER.parse(sound).external_id == "tender:3"
