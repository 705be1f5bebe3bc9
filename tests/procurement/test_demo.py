"""The parsed demonstration data of procurement at scale 1."""

from collections import Counter, defaultdict

import pytest

from procurement.demo import feeds
from procurement.records import Lot, LotItem, Organization, Reference
from tests.demo_records import assert_no_data_of_the_future, by_id, records_of


@pytest.fixture(scope="module")
def visits():
    """Each feed with the records of its documents."""
    return [(feed, list(records_of(feed))) for feed in feeds(1)]


@pytest.fixture(scope="module")
def states(visits):
    """External id of a lot → its complete records in order."""
    # Items have records of their lot with id and type only.
    return {
        key: [lot for lot in seen if lot.currency or lot.title]
        for key, seen in by_id(visits, Lot).items()
    }


@pytest.fixture(scope="module")
def lots(states):
    return [seen[-1] for seen in states.values()]


def test_has_the_documented_number_of_lots(lots):
    assert len(lots) == pytest.approx(2000, rel=0.05)


def test_has_no_data_of_the_future(visits):
    assert_no_data_of_the_future(visits)


def test_has_the_reference_lists(visits):
    kinds = Counter(seen[0].kind for seen in by_id(visits, Reference).values())

    assert kinds == {"category": 15, "region": 10}


class TestLots:
    @pytest.mark.parametrize(
        ("is_one", "minimum"),
        [
            (lambda lot: lot.lot_type == "auction", 1000),
            (lambda lot: lot.lot_type == "auction" and lot.is_budget, 300),
            (lambda lot: lot.lot_type == "auction" and lot.is_budget is False, 200),
            (lambda lot: lot.deal_cost is None, 200),
            (lambda lot: lot.start_cost is None and lot.deal_cost, 0),
        ],
        ids=["auction", "budget", "corporate", "without a deal", "unknown cost"],
    )
    def test_all_kinds_occur(self, lots, is_one, minimum):
        assert sum(bool(is_one(lot)) for lot in lots) > minimum
        assert {lot.lot_type for lot in lots} == {"auction", "shop", "national_shop", "tender"}

    def test_deals_save_up_to_40_percent(self, lots):
        deals = [lot for lot in lots if lot.deal_cost and lot.start_cost]
        savings = [1 - lot.deal_cost / lot.start_cost for lot in deals]

        assert len(deals) > 900
        assert min(savings) >= -0.001
        assert 0.3 < max(savings) <= 0.4

    def test_lots_without_a_deal_are_not_completed(self, lots):
        assert all((lot.status == "completed") == bool(lot.deal_cost) for lot in lots)

    def test_deals_are_seen_before_and_after_they_are_made_and_paid(self, states):
        decided = [
            seen
            for seen in states.values()
            if seen[0].status is None and seen[-1].status == "completed"
        ]
        paid = [
            seen
            for seen in states.values()
            if {lot.payment_status for lot in seen} >= {"Не оплачен", "Оплачен"}
        ]

        assert len(decided) > 500
        assert len(paid) > 300

    def test_auctions_have_four_to_eleven_items_that_add_up(self, lots, visits):
        items = defaultdict(list)
        for *_, item in by_id(visits, LotItem).values():
            items[item.lot_external_id].append(item)

        for lot in lots:
            if lot.lot_type == "auction":
                assert 4 <= len(items[lot.external_id]) <= 11
                assert sum(item.cost for item in items[lot.external_id]) == lot.start_cost


def test_organizations_are_invented_and_entrepreneurs_have_no_tax_number(visits):
    organizations = [seen[-1] for seen in by_id(visits, Organization).values()]

    assert len(organizations) > 600
    assert all("demo" in organization.name.casefold() for organization in organizations)
    numbers = {organization.inn for organization in organizations} - {None}
    assert all(len(inn) == 9 and inn.startswith("9") for inn in numbers)
    unknown = [organization for organization in organizations if organization.inn is None]
    assert any(organization.name.startswith("YTT") for organization in unknown)
