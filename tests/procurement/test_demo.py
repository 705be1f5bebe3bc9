"""The parsed demonstration data of procurement at scale 1."""

from collections import Counter, defaultdict

import pytest

from marketplace.demo import END, START
from marketplace.loading.adapters import Source, get_adapter
from procurement.demo import feeds
from procurement.records import Lot, LotItem, Organization, Reference


@pytest.fixture(scope="module")
def visits():
    """Each feed with the records of its documents."""
    return [(feed, list(_records(feed))) for feed in feeds(1)]


@pytest.fixture(scope="module")
def records(visits):
    """Type of record → external id → the records in order."""
    records_by_type = defaultdict(lambda: defaultdict(list))
    for _, seen in visits:
        for record in seen:
            records_by_type[type(record)][record.external_id].append(record)
    return records_by_type


@pytest.fixture(scope="module")
def lots(records):
    # Items have records of their lot with id and type only.
    complete = (
        [lot for lot in seen if lot.currency or lot.title] for seen in records[Lot].values()
    )
    return [seen[-1] for seen in complete]


def _records(feed):
    adapter, source = get_adapter(feed.platform), Source(feed.name)
    for document in feed.documents:
        assert adapter.recognize(document), list(document)
        for item in adapter.split(document, source):
            yield from adapter.parse(item).records


class TestFeeds:
    def test_has_the_documented_number_of_lots(self, lots):
        assert len(lots) == pytest.approx(2000, rel=0.05)

    def test_feeds_are_chronological(self, visits):
        times = [feed.observed_at for feed, _ in visits]

        assert times == sorted(set(times))
        assert (times[0], times[-1]) == (START, END)

    def test_has_no_data_of_the_future(self, visits):
        for feed, seen in visits:
            for lot in seen:
                if isinstance(lot, Lot):
                    assert lot.deal_date is None or lot.deal_date <= feed.observed_at
                    assert lot.starts_at is None or lot.starts_at <= feed.observed_at

    def test_has_the_reference_lists(self, records):
        kinds = Counter(seen[0].kind for seen in records[Reference].values())

        assert kinds == {"category": 15, "region": 10}

    def test_larger_scale_has_the_smaller_one_in_it(self, visits):
        small = {record.external_id for record in visits[0][1]}
        large = {record.external_id for record in _records(next(feeds(2)))}

        assert len(large) > len(small)
        assert small <= large


class TestLots:
    def test_all_types_occur(self, lots):
        types = Counter(lot.lot_type for lot in lots)

        assert set(types) == {"auction", "shop", "national_shop", "tender"}
        assert types["auction"] > 1000

    def test_deals_save_up_to_40_percent(self, lots):
        deals = [lot for lot in lots if lot.deal_cost and lot.start_cost]
        savings = [1 - lot.deal_cost / lot.start_cost for lot in deals]

        assert len(deals) > 900
        assert min(savings) >= -0.001
        assert 0.3 < max(savings) <= 0.4

    def test_unknown_costs_are_none(self, lots):
        assert sum(lot.deal_cost is None for lot in lots) > 200
        assert any(lot.start_cost is None and lot.deal_cost for lot in lots)

    def test_lots_without_a_deal_are_not_completed(self, lots):
        assert all((lot.status == "completed") == bool(lot.deal_cost) for lot in lots)

    def test_deals_are_seen_before_and_after_they_are_made(self, records):
        statuses = [[lot.status for lot in seen if lot.currency] for seen in records[Lot].values()]

        decided = [seen for seen in statuses if seen[0] is None and seen[-1] == "completed"]

        assert len(decided) > 500

    def test_some_are_paid_later(self, records):
        paid = [
            seen
            for seen in records[Lot].values()
            if {lot.payment_status for lot in seen} >= {"Не оплачен", "Оплачен"}
        ]

        assert len(paid) > 300

    def test_budget_and_corporate(self, lots):
        kinds = Counter(lot.is_budget for lot in lots if lot.lot_type == "auction")

        assert kinds[True] > 300
        assert kinds[False] > 200

    def test_auctions_have_four_to_eleven_items_that_add_up(self, lots, records):
        items = defaultdict(list)
        for *_, item in records[LotItem].values():
            items[item.lot_external_id].append(item)

        for lot in lots:
            if lot.lot_type == "auction":
                assert 4 <= len(items[lot.external_id]) <= 11
                assert sum(item.cost for item in items[lot.external_id]) == lot.start_cost


class TestOrganizations:
    def test_are_marked_as_invented(self, records):
        organizations = [seen[-1] for seen in records[Organization].values()]

        assert len(organizations) > 600
        assert all("demo" in organization.name.casefold() for organization in organizations)
        numbers = {organization.inn for organization in organizations} - {None}
        assert all(len(inn) == 9 and inn.startswith("9") for inn in numbers)

    def test_entrepreneurs_have_no_tax_number(self, records):
        unknown = [seen[-1] for seen in records[Organization].values() if seen[-1].inn is None]

        assert unknown
        assert any(organization.name.startswith("YTT") for organization in unknown)
