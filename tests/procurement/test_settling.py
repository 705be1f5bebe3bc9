"""Tax numbers and second deals of a batch, compared with stored rows."""

import json
from datetime import datetime, timedelta

import pytest

from marketplace.loading.ingest import ingest
from marketplace.loading.values import TASHKENT
from procurement.models import Lot, Organization

pytestmark = pytest.mark.django_db(databases=["procurement"])

NOON = datetime(2026, 11, 1, 12, tzinfo=TASHKENT)
ORGANIZATIONS = """
[organization]
external_id = { column = "inn", prefix = "inn:" }
inn = "inn"
name = "name"
"""


def deal(number, deal_id, **changes):
    row = {"lot_id": number, "lot_display_no": f"2{number}", "deal_id": deal_id}
    row |= {"deal_date": "2026-11-01T10:00:00", "start_cost": 2000, "deal_cost": 1200}
    return row | changes


@pytest.fixture
def load(tmp_path):
    """Load rows of deals as one file, at noon of a day."""

    def load(*rows, day=0):
        path = tmp_path / "deals.json"
        path.write_text(json.dumps(list(rows)))
        at = NOON + timedelta(days=day)
        return ingest("uzex", [str(path)], options={"lot_type": "auction"}, observed_at=at)

    return load


def organizations():
    return set(Organization.objects.values_list("inn", "name"))


class TestTaxNumbers:
    def test_spaces_are_removed(self, load):
        load(deal(1, 11, customer_inn="987 654\xa0321", customer_name="C"))
        load(deal(2, 12, provider_inn=987654321, provider_name="C"))

        [organization] = Organization.objects.all()
        assert (organization.external_id, organization.inn) == ("inn:987654321", "987654321")
        assert (organization.is_customer, organization.is_provider) == (True, True)

    def test_a_lost_zero_is_restored_in_the_same_row(self, load):
        named = {"customer_name": "Zero lead", "provider_name": '"Zero Lead"'}
        load(deal(1, 11, customer_inn="012345678", provider_inn=12345678, **named))

        [organization] = Organization.objects.all()
        lot = Lot.objects.get()
        assert organization.inn == "012345678"
        assert lot.customer_id == lot.provider_id == organization.pk

    def test_a_lost_zero_is_restored_from_stored_rows(self, load):
        load(deal(1, 11, customer_inn="012345678", customer_name="Zero lead"))
        load(deal(2, 12, provider_inn=12345678, provider_name="Zero lead"))

        [organization] = Organization.objects.all()
        assert Lot.objects.get(deal_id="12").provider_id == organization.pk

    def test_no_zero_is_restored_for_another_name(self, load):
        load(deal(1, 11, customer_inn="012345678", customer_name="Zero lead"))
        load(deal(2, 12, provider_inn=12345678, provider_name="Another"))
        load(deal(3, 13, provider_inn=99999999, provider_name="Unknown"))

        assert organizations() == {
            ("012345678", "Zero lead"),
            (None, "Another"),
            (None, "Unknown"),
        }

    def test_tables_have_the_same_rules(self, load, tmp_path):
        load(deal(1, 11, customer_inn="012345678", customer_name="Zero lead"))
        (tmp_path / "map.toml").write_text(ORGANIZATIONS)
        (tmp_path / "table.csv").write_text("inn,name\n12345678,Zero lead\n305 911 928,Qurilish\n")

        ingest("uzex", [str(tmp_path / "table.csv")], columns=str(tmp_path / "map.toml"))

        assert organizations() == {("012345678", "Zero lead"), ("305911928", "Qurilish")}
        assert Organization.objects.filter(external_id="inn:305911928").exists()


class TestSecondDeals:
    TEXT = (
        "deals.json: Lot auction:7 has more than one deal (11, 12). Only one deal of a lot is "
        "kept: its costs and provider are those of one deal."
    )

    def test_of_one_batch(self, load):
        assert load(deal(7, 11), deal(7, 12)).warnings == [self.TEXT]

    def test_of_one_document(self, load):
        assert load({"response_data": [deal(7, 11), deal(7, 12)]}).warnings == [self.TEXT]

    def test_of_two_batches(self, load, settings):
        settings.INGEST_BATCH_SIZE = 1

        assert load(deal(7, 11), deal(7, 12)).warnings == [self.TEXT]

    @pytest.mark.parametrize("day", [-1, 1])
    def test_of_two_loads(self, load, day):
        assert load(deal(7, 12)).warnings == []
        assert load(deal(7, 11), day=day).warnings == [self.TEXT]

    def test_repeated_or_updated_deal_is_not_a_second_one(self, load):
        load(deal(7, None, deal_date=None, deal_cost=None))
        load(deal(7, 11), day=1)
        again = load(deal(7, 11), day=2)
        updated = load(deal(7, 11, kazna_payment_status="Оплачен"), deal(7, "11"), day=3)

        assert again.warnings == updated.warnings == []
