"""The loader's promises, on small payloads: what lands, what is kept, what goes to quarantine."""

import json
from datetime import datetime, timedelta
from decimal import Decimal

import orjson
import pytest
import zstandard

from classifieds.models import Listing, ListingEvent
from classifieds.models import QuarantinedRecord as ListingQuarantine
from ecommerce.models import (
    Category,
    LoadRun,
    Offer,
    PricePoint,
    Product,
    QuarantinedRecord,
    RawPayload,
    Seller,
)
from marketplace.exceptions import PayloadError, SourceError
from marketplace.loading.adapters import Adapter
from marketplace.loading.ingest import ingest, load_documents
from marketplace.loading.review import Selection, release_records
from marketplace.loading.values import TASHKENT
from procurement.models import Lot, LotEvent

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds", "procurement"])

NOON = datetime(2026, 6, 1, 12, tzinfo=TASHKENT)


def card(number=1, price=1000, full_price=None, **overrides):
    """A card of a list: one product with one sku."""
    return {
        "productId": number,
        "title": f"Telefon {number}",
        "minSellPrice": price,
        "minFullPrice": full_price or price,
        "skuList": [{"id": number * 10, "sellPrice": price}],
    } | overrides


def load(*cards, at=NOON, platform="uzum"):
    return load_documents(platform, cards, observed_at=at)


def counts(summary):
    return (summary.read, summary.created, summary.updated, summary.unchanged, summary.rejected)


def _refusing(payload):
    """Return a way to parse that cannot read one payload."""
    parse = Adapter.parse

    def refuse(self, item):
        if item.payload == payload:
            raise PayloadError("is odd")
        return parse(self, item)

    return refuse


def history(number=10):
    points = PricePoint.objects.filter(offer__external_id=str(number)).order_by("recorded_at")
    return [(p.recorded_at.astimezone(TASHKENT).hour, p.price, p.price_change) for p in points]


def deal(**overrides):
    return {
        "lot_id": 7,
        "lot_display_no": "2511",
        "lot_start_date": "2025-11-27T17:46:56",
        "lot_end_date": "2025-12-04T11:25:30",
        "deal_id": 3,
        "deal_date": "2025-12-04T12:19:29",
        "start_cost": 1000.0,
        "deal_cost": 900.0,
        "category_name": "Бумага",
        "customer_inn": "203195074",
        "customer_name": "Maktab",
        "provider_inn": "305911928",
        "provider_name": "Qogʻoz",
        "pcp_count": 3.0,
        "is_budget": 1,
        "rn": 1,
        "total_count": 9,
    } | overrides


class TestCounts:
    def test_what_is_new_is_created(self):
        assert counts(load(card(1), card(2))) == (2, 2, 0, 0, 0)

    def test_a_repeat_is_unchanged(self):
        assert counts(load(card(1), card(1))) == (2, 1, 0, 1, 0)

    def test_what_differs_later_is_updated(self):
        load(card(1), card(2))

        summary = load(card(1, title="Boshqa"), card(2), at=NOON + timedelta(hours=1))

        assert counts(summary) == (2, 0, 1, 1, 0)
        assert Product.objects.get(external_id="1").title == "Boshqa"

    def test_the_run_keeps_the_counts(self):
        summary = load(card(1), card(2), {"productId": None, "skuList": []})

        run = LoadRun.objects.get(pk=summary.run_id)
        assert (run.read_count, run.created_count, run.rejected_count) == (3, 2, 1)
        assert run.status == LoadRun.Status.COMPLETED
        assert run.sources.get().record_count == 3
        assert run.finished_at > run.started_at

    def test_the_run_keeps_its_newest_observation(self):
        load(card(1), at=NOON)
        load(card(1, price=900), at=NOON - timedelta(days=1))
        load(card(1), at=NOON + timedelta(days=1))
        load({"productId": None, "skuList": []}, at=NOON + timedelta(days=2))

        found = LoadRun.objects.order_by("pk").values_list("newest_observed_at", flat=True)
        assert list(found) == [
            NOON,
            NOON - timedelta(days=1),
            NOON + timedelta(days=1),
            None,
        ]

    def test_a_run_of_which_nothing_could_be_loaded_failed(self):
        summary = load({"productId": None, "skuList": []})

        run = LoadRun.objects.get(pk=summary.run_id)
        assert run.status == LoadRun.Status.FAILED
        assert run.error == "No record could be loaded (1 read): see the quarantine."

    def test_the_categories_of_a_feed_are_no_records(self):
        head = {"date": None, "name": "Shop", "company": None, "url": None, "comment": ""}
        offer = {"@id": "1", "name": ["TV"], "price": ["5"], "currencyId": ["KZT"]}
        documents = [{"category": {"@id": "7", "#text": "TV"}}, {"offer": offer}]

        summary = load(*[{"yml_catalog": head, **d} for d in documents], platform="yandex")

        assert counts(summary) == (1, 1, 0, 0, 0)
        assert LoadRun.objects.get(pk=summary.run_id).read_count == 1
        assert Category.objects.get().name == "TV"

    def test_a_run_whose_process_died_is_closed_by_the_next(self):
        dead = LoadRun.objects.create(platform="uzum", source="x", started_at=NOON)
        other = LoadRun.objects.create(platform="ozon", source="x", started_at=NOON)

        load(card(1))

        dead.refresh_from_db()
        other.refresh_from_db()
        assert (dead.status, other.status) == (LoadRun.Status.FAILED, LoadRun.Status.RUNNING)
        assert dead.error.startswith("The process ended before the run finished")


class TestMerge:
    def test_what_a_payload_does_not_say_stays(self):
        load(card(1, rating=4.5))

        load(card(1), at=NOON + timedelta(hours=1))

        assert Product.objects.get().rating == Decimal("4.50")

    def test_an_older_payload_never_overwrites_a_newer_one(self):
        load(card(1, price=900, title="Yangi"))

        load(card(1, price=1000, title="Eski", rating=4), at=NOON - timedelta(hours=1))

        product, offer = Product.objects.get(), Offer.objects.get()
        assert (product.title, product.rating, offer.price) == ("Yangi", 4, 900)
        assert product.first_seen_at == NOON - timedelta(hours=1)
        assert product.last_seen_at == NOON

    def test_an_old_price_that_is_gone_is_gone(self):
        load(card(1, price=800, full_price=1000))

        load(card(1, price=800), at=NOON + timedelta(hours=1))

        assert Offer.objects.get().old_price is None
        assert Offer.objects.get().discount_percent is None

    def test_the_database_computes_the_discount(self):
        load(card(1, price=800, full_price=1000))

        assert Offer.objects.get().discount_percent == 20

    def test_only_last_seen_moves_when_the_same_comes_again(self):
        load(card(1))
        before = Product.objects.values().get()

        load(card(1), at=NOON + timedelta(hours=1))

        after = Product.objects.values().get()
        assert after.pop("last_seen_at") - before.pop("last_seen_at") == timedelta(hours=1)
        assert after == before

    def test_titles_are_normalized(self):
        load(card(1, title="iPhone 15 Pro!"))

        assert Product.objects.get().title_normalized == "iphone 15 pro"

    def test_a_row_that_is_named_before_it_is_known_is_filled_in_later(self):
        ad = {
            "id": 5,
            "title": "Spark",
            "category": {"id": 108},
            "params": [],
            "created_time": None,
        }
        tree = {"list": {"108": {"id": 108, "name": "Легковые", "parentId": 3, "level": 2}}}

        load({"data": [ad]}, platform="olx")
        load(tree, platform="olx", at=NOON + timedelta(hours=1))

        assert Listing.objects.get().category.name == "Легковые"


class TestCategories:
    def test_paths_follow_the_tree(self):
        root = {"id": 1, "name": "Uy", "url": "/uy", "shard": "", "childs": []}
        child = {"id": 2, "name": "Vanna", "url": "/vanna", "shard": "", "parent": 1}

        load(root | {"childs": [child]}, platform="wildberries")
        load(root | {"name": "Dom", "childs": []}, platform="wildberries", at=NOON + timedelta(1))

        found = Category.objects.get(external_id="2")
        assert (found.path_names, found.path_ids, found.level) == ("Dom > Vanna", ["1", "2"], 2)

    def test_an_older_tree_does_not_move_a_category(self):
        def tree(parent):
            child = {"id": 2, "name": "Vanna", "url": "/v", "shard": "", "parent": parent}
            root = {"id": parent, "name": f"N{parent}", "url": "/u", "shard": ""}
            return root | {"childs": [child]}

        load(tree(1), platform="wildberries", at=NOON)
        load(tree(3), platform="wildberries", at=NOON - timedelta(days=1))

        assert Category.objects.get(external_id="2").path_names == "N1 > Vanna"

    def test_of_two_trees_of_a_moment_the_first_counts(self):
        def tree(parent):
            child = {"id": 2, "name": "Vanna", "url": "/v", "shard": "", "parent": parent}
            root = {"id": parent, "name": f"N{parent}", "url": "/u", "shard": ""}
            return root | {"childs": [child]}

        load(tree(1), platform="wildberries")
        load(tree(3), platform="wildberries")
        again = [load(tree(parent), platform="wildberries") for parent in (1, 3)]

        assert [summary.updated for summary in again] == [0, 0]
        assert Category.objects.get(external_id="2").path_names == "N1 > Vanna"

    def test_a_parent_that_nobody_tells_of_replaces_none(self):
        child = {"id": 2, "name": "Vanna", "url": "/v", "shard": "", "childs": []}
        root = {"id": 1, "name": "Uy", "url": "/u", "shard": ""}
        load(root | {"childs": [child | {"parent": 1}]}, platform="wildberries")

        load(child | {"parent": 9}, platform="wildberries", at=NOON + timedelta(days=1))

        assert Category.objects.get(external_id="2").path_names == "Uy > Vanna"

    def test_a_category_that_moved_is_updated(self):
        def tree(parent):
            child = {"id": 2, "name": "Vanna", "url": "/v", "shard": "", "parent": parent}
            root = {"id": parent, "name": f"N{parent}", "url": "/u", "shard": ""}
            return root | {"childs": [child]}

        load(tree(1), platform="wildberries", at=NOON)
        summary = load(tree(3), platform="wildberries", at=NOON + timedelta(days=1))

        assert (summary.created, summary.updated) == (1, 1)
        assert Category.objects.get(external_id="2").path_names == "N3 > Vanna"


class TestAvailability:
    """An availability that nobody told stays unknown, and is no change when it is learned."""

    def observe(self, hour, available):
        """Observe the offer with an amount; None: by a card, which tells none."""
        moment = NOON + timedelta(hours=hour)
        if available is None:
            return load(card(1, price=1000), at=moment)
        told = product(1000)
        told["skuList"][0]["availableAmount"] = 3 if available else 0
        return load({"payload": {"data": told}}, at=moment)

    def points(self):
        points = PricePoint.objects.order_by("recorded_at")
        return [(p.recorded_at.astimezone(TASHKENT).hour, p.is_available) for p in points]

    def test_a_change_is_a_point(self):
        for hour, available in enumerate([True, True, False, None, True]):
            self.observe(hour, available)

        assert self.points() == [(12, True), (14, False), (16, True)]

    def test_a_late_observation_shows_a_change_that_was_hidden(self):
        self.observe(0, None)
        self.observe(2, False)

        self.observe(1, True)

        assert self.points() == [(12, None), (13, True), (14, False)]

    def test_an_older_observation_tells_what_a_newer_one_leaves_open(self):
        self.observe(2, None)

        self.observe(0, True)
        self.observe(1, False)

        assert Offer.objects.get().is_available is False
        assert self.points() == [(12, True), (13, False)]


class TestPriceHistory:
    def test_each_change_is_one_point(self):
        for hour, price in enumerate([1000, 1000, 900, 900, 1200]):
            load(card(1, price=price), at=NOON + timedelta(hours=hour))

        assert history() == [(12, 1000, None), (14, 900, -100), (16, 1200, 300)]

    def test_percent_is_of_the_price_before(self):
        load(card(1, price=1000))
        load(card(1, price=750), at=NOON + timedelta(hours=1))

        assert PricePoint.objects.order_by("recorded_at").last().price_change_percent == -25

    def test_a_change_of_the_old_price_is_a_point(self):
        load(card(1, price=800))
        load(card(1, price=800, full_price=1000), at=NOON + timedelta(hours=1))

        assert history() == [(12, 800, None), (13, 800, 0)]

    def test_a_late_observation_goes_where_it_belongs(self):
        load(card(1, price=1000))
        load(card(1, price=700), at=NOON + timedelta(hours=2))

        summary = load(card(1, price=900), at=NOON + timedelta(hours=1))

        assert history() == [(12, 1000, None), (13, 900, -100), (14, 700, -200)]
        assert summary.price_points == 1
        assert Offer.objects.get().price == 700

    def test_a_late_observation_that_brings_a_change_forward_moves_it(self):
        load(card(1, price=1000))
        load(card(1, price=700), at=NOON + timedelta(hours=2))

        load(card(1, price=700), at=NOON + timedelta(hours=1))

        assert history() == [(12, 1000, None), (13, 700, -300)]

    def test_a_late_observation_before_the_first_becomes_the_first(self):
        load(card(1, price=1000))

        load(card(1, price=1100), at=NOON - timedelta(hours=2))

        assert history() == [(10, 1100, None), (12, 1000, -100)]

    def test_a_late_dip_returns_to_what_was_seen_afterwards(self):
        load(card(1, price=1000))
        load(card(1, price=1000), at=NOON + timedelta(hours=2))

        load(card(1, price=900), at=NOON + timedelta(hours=1))

        assert history() == [(12, 1000, None), (13, 900, -100), (14, 1000, 100)]

    def test_states_of_different_days_in_one_run_all_leave_a_trace(self):
        days = [
            {"payload": {"data": product(price)}, "timestamp": f"2026-06-0{day}T00:00:00"}
            for day, price in enumerate([1000, 900, 1000], 1)
        ]

        load_documents("uzum", days)

        assert [price for _, price, _ in history(10)] == [1000, 900, 1000]

    def test_months_are_made_on_demand(self):
        # The first hours of a month in Tashkent are the last of the month before in UTC.
        load(card(1), at=datetime(2019, 4, 1, 2, tzinfo=TASHKENT))
        load(card(1, price=5), at=datetime(2019, 4, 1, 12, tzinfo=TASHKENT))

        assert PricePoint.objects.count() == 2


def product(price):
    return {
        "id": 1,
        "title": "Telefon",
        "skuList": [{"id": 10, "purchasePrice": price, "fullPrice": price, "availableAmount": 3}],
    }


class TestRawPayloads:
    def test_each_version_is_kept_once(self):
        load(card(1, price=1000))
        load(card(1, price=1000), at=NOON + timedelta(hours=1))
        load(card(1, price=900), at=NOON + timedelta(hours=2))

        bodies = [
            orjson.loads(zstandard.decompress(bytes(raw.body)))
            for raw in RawPayload.objects.order_by("observed_at")
        ]
        assert [body["payload"]["minSellPrice"] for body in bodies] == [1000, 900]


class TestPathsOfUnnamed:
    def test_a_path_is_made_of_names_only(self):
        unnamed = {"id": 1, "subjectId": 170, "subjectParentId": 9, "priceU": 500, "sizes": []}
        named = unnamed | {"id": 2, "subjectId": 171, "entity": "пальто"}

        load_documents("wildberries", [{"products": [unnamed, named]}], observed_at=NOON)

        paths = dict(Category.objects.values_list("external_id", "path_names"))
        assert paths == {"subject-root:9": None, "subject:170": None, "subject:171": "пальто"}


class TestQuarantine:
    def test_one_bad_record_costs_only_itself(self):
        bad = card(2, skuList=[{"id": 20, "sellPrice": -5}])

        summary = load(card(1), bad, card(3))

        assert counts(summary) == (3, 2, 0, 0, 1)
        record = QuarantinedRecord.objects.get()
        assert record.field == "skuList[].sellPrice"
        assert record.reason == "-5 is negative"
        assert record.source == "-: payload 2"
        assert json.loads(zstandard.decompress(bytes(record.payload))) == bad

    def test_a_record_without_an_id_is_named(self):
        load(card(1), card(2) | {"productId": None})

        assert QuarantinedRecord.objects.get().reason == "is missing"
        assert QuarantinedRecord.objects.get().field == "productId"

    def test_a_record_that_the_database_refuses_is_found_among_the_others(self):
        # More words than a full-text vector takes; only the server knows.
        huge = " ".join(f"слово{n}" for n in range(150_000))

        summary = load(*[card(n) for n in range(1, 8)], card(8, title=huge))

        assert counts(summary) == (8, 7, 0, 0, 1)
        assert Product.objects.count() == 7
        record = QuarantinedRecord.objects.get()
        assert (record.external_id, record.field) == ("8", "title")
        assert "refused by the database" in record.reason

    def test_a_record_that_is_rejected_again_is_counted_not_repeated(self):
        bad = card(2) | {"productId": None}

        load(bad)
        load(bad, at=NOON + timedelta(hours=1))

        assert QuarantinedRecord.objects.get().seen_count == 2

    def test_so_are_records_of_one_batch(self):
        bad = card(2) | {"productId": None}

        summary = load(bad, card(3) | {"productId": None}, bad)

        assert counts(summary) == (3, 0, 0, 0, 3)
        assert sorted(each.seen_count for each in QuarantinedRecord.objects.all()) == [1, 2]
        assert "-: payload 3" in {each.source for each in QuarantinedRecord.objects.all()}

    def test_a_record_that_was_rejected_at_several_times_is_released_at_each(self, monkeypatch):
        """An adapter cannot read the price of Monday, which comes back on Wednesday."""
        with monkeypatch.context() as context:
            context.setattr(Adapter, "parse", _refusing(card(1, price=5)))
            for day, price in enumerate((5, 7, 5)):
                load(card(1, price=price), at=NOON + timedelta(days=day))

        release_records(Selection("ecommerce", "uzum"))

        points = PricePoint.objects.order_by("recorded_at").values_list("recorded_at", "price")
        assert list(points) == [(NOON + timedelta(days=n), (5, 7, 5)[n]) for n in range(3)]
        assert not QuarantinedRecord.objects.exists()
        assert Product.objects.get().last_seen_at == NOON + timedelta(days=2)

    def test_a_payload_of_another_platform_is_recognized(self):
        summary = load({"data": {"products": [{"id": 1, "salePriceU": 5}]}})

        assert counts(summary) == (1, 0, 0, 0, 1)
        assert summary.is_failure
        assert "it looks like WB-V1 of wildberries" in QuarantinedRecord.objects.get().reason

    def test_nul_characters_in_a_payload_do_not_stop_its_storage(self, tmp_path):
        path = tmp_path / "cards.jsonl"
        path.write_text(json.dumps(card(1, title="a\0b\ud800c")) + "\n" + json.dumps(card(2)))

        summary = ingest("uzum", [str(path)])

        assert counts(summary) == (2, 2, 0, 0, 0)
        assert Product.objects.get(external_id="1").title == "ab\ufffdc"

    @pytest.mark.parametrize(
        "overrides",
        [
            {"title": "a\0b"},
            {"title": "a\ud800"},
            {"a\0key": 1},
            {"badges": [{"text": "\0"}]},
            {"extra": 10**30},
        ],
    )
    def test_payloads_in_memory_are_cleaned_too(self, overrides):
        assert counts(load(card(1), card(2, **overrides), card(3))) == (3, 3, 0, 0, 0)

    @pytest.mark.parametrize(
        "overrides",
        [
            {"rating": "1E+999999999"},
            {"feedbackQuantity": "1E+999999999"},
            {"extra": json.loads("[" * 600 + "]" * 600)},
            {"minSellPrice": "9999999999999999.999"},
        ],
    )
    def test_what_cannot_be_stored_costs_that_record_only(self, overrides):
        assert counts(load(card(1), card(2, **overrides), card(3))) == (3, 2, 0, 0, 1)

    def test_ids_longer_than_the_tables_take_cost_that_record_only(self):
        head = {"date": None, "name": "s" * 190, "company": None, "url": None, "comment": ""}
        offer = {"@id": "1" * 190, "name": ["TV"], "price": ["5"], "currencyId": ["KZT"]}

        summary = load({"yml_catalog": head, "offer": offer}, platform="yandex")

        assert counts(summary) == (1, 0, 0, 0, 1)

    def test_a_large_record_loads(self, tmp_path):
        path = tmp_path / "cards.jsonl"
        path.write_text(
            json.dumps(card(1)) + "\n" + json.dumps(card(2, description="x" * 30_000_000))
        )

        assert ingest("uzum", [str(path)]).created == 2


class TestSources:
    def test_a_file_that_is_missing_does_not_stop_the_others(self, tmp_path):
        good = tmp_path / "good.json"
        good.write_text(json.dumps([card(1)]))

        summary = ingest("uzum", [str(tmp_path / "absent.json"), str(good)])

        assert summary.created == 1
        assert summary.is_failure
        assert "absent.json: No such file" in summary.failures[0]
        assert LoadRun.objects.get().status == LoadRun.Status.FAILED

    def test_a_folder_is_read_file_by_file(self, tmp_path):
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "1.json").write_text(json.dumps(card(1)))
        (tmp_path / "2.json").write_text(json.dumps(card(2)))
        (tmp_path / ".hidden").write_text("no")

        assert ingest("uzum", [str(tmp_path)]).created == 2

    def test_the_same_file_is_the_same_observation_after_another_one(self, tmp_path):
        first, second = tmp_path / "1.json", tmp_path / "2.json"
        first.write_text(json.dumps([card(1, price=1000)]))
        second.write_text(json.dumps([card(1, price=900)]))
        ingest("uzum", [str(first)])
        ingest("uzum", [str(second)])

        again = ingest("uzum", [str(first)])

        assert (again.updated, again.price_points) == (0, 0)
        assert Offer.objects.get().price == 900

    def test_an_empty_path_is_refused(self):
        with pytest.raises(SourceError, match="A path is empty"):
            ingest("uzum", [""])

    def test_an_unknown_platform_is_named(self):
        with pytest.raises(SourceError, match=r'Unknown platform "amazon"\. Use one of: uzum'):
            ingest("amazon", ["x.json"])


class TestListingEvents:
    def ad(self, price=100, status="active"):
        return {
            "id": 5,
            "title": "Spark",
            "category": {"id": 108, "type": "automotive"},
            "status": status,
            "createdTime": "2026-05-01T10:00:00+05:00",
            "price": {"regularPrice": {"value": price, "currencyCode": "UZS"}},
            "params": [],
        }

    def page(self, *ads):
        return {"listing": {"listing": {"ads": list(ads)}}}

    def test_every_change_of_price_or_status_is_an_event(self):
        for hour, ad in enumerate([self.ad(), self.ad(), self.ad(90), self.ad(90, "removed")]):
            load(self.page(ad), platform="olx", at=NOON + timedelta(hours=hour))

        events = ListingEvent.objects.order_by("recorded_at").values_list(
            "kind", "old_price", "new_price", "old_status", "new_status"
        )
        assert list(events) == [
            ("posted", None, 100, None, "active"),
            ("price", 100, 90, None, None),
            ("status", None, None, "active", "removed"),
        ]

    def test_an_older_state_makes_no_event(self):
        load(self.page(self.ad(90)), platform="olx")

        load(self.page(self.ad(100)), platform="olx", at=NOON - timedelta(hours=1))

        assert Listing.objects.get().price == 90
        assert list(ListingEvent.objects.values_list("kind", flat=True)) == ["posted"]
        assert not ListingQuarantine.objects.exists()


class TestLotEvents:
    def test_every_change_of_a_lot_is_audited_with_its_payload(self):
        load(deal(), platform="uzex")
        load(deal(), platform="uzex", at=NOON + timedelta(hours=1))
        load(deal(deal_cost=850.0), platform="uzex", at=NOON + timedelta(hours=2))

        created, changed = LotEvent.objects.order_by("id")
        assert (created.kind, created.changes) == ("created", {})
        assert changed.kind == "changed"
        assert changed.changes == {
            "deal_cost": [900.0, 850.0],
            "savings_amount": [100.0, 150.0],
            "savings_percent": [10.0, 15.0],
        }
        assert changed.payload["deal_cost"] == 850.0
        assert changed.recorded_at == NOON + timedelta(hours=2)

    def test_a_cost_that_is_not_published_leaves_savings_unknown(self):
        load(deal(deal_cost=0, deal_id=None, deal_date=None), platform="uzex")

        lot = Lot.objects.get()
        assert (lot.deal_cost, lot.savings_amount, lot.savings_percent) == (None, None, None)


class TestSharedRows:
    def test_a_change_of_a_seller_is_no_change_of_its_products(self):
        def told(rating):
            data = product(1000) | {"seller": {"id": 9, "title": "Do'kon", "rating": rating}}
            return {"payload": {"data": data}}

        load(told(4.0))
        summary = load(told(4.5), at=NOON + timedelta(hours=1))

        assert counts(summary) == (1, 0, 0, 1, 0)
        assert Seller.objects.get().rating == Decimal("4.50")
