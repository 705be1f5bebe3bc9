"""Full listings of a shop or category: items that they lack are marked missing."""

import pytest

from ecommerce.models import LoadRun, Offer, PricePoint, Product, QuarantinedRecord
from marketplace.exceptions import SourceError
from marketplace.loading.ingest import ingest, resume
from marketplace.loading.replay import replay
from tests.marketplace.loading.reviewing import discard
from tests.marketplace.loading.shop_feeds import (
    ALL,
    BUT_ONE,
    HALF,
    Feeds,
    points,
    rows,
    unavailable,
)

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds"])


@pytest.fixture
def feeds(tmp_path):
    return Feeds(tmp_path)


class TestShops:
    def test_a_missing_offer_becomes_unavailable(self, feeds):
        feeds.load(0, ALL)

        summary = feeds.load(1, BUT_ONE)

        assert (summary.missing, summary.warnings, summary.error_message) == (1, [], "")
        assert unavailable() == ["malika:10"]
        assert points("malika:10") == [(0, 1010, True), (1, 1010, False)]
        assert points("malika:9") == [(0, 1009, True)]

    def test_an_offer_that_is_listed_again_is_available(self, feeds):
        feeds.load(0, ALL)
        feeds.load(1, BUT_ONE)

        summary = feeds.load(2, ALL)

        assert (summary.missing, unavailable()) == (0, [])
        assert points("malika:10") == [(0, 1010, True), (1, 1010, False), (2, 1010, True)]

    def test_a_product_is_available_like_its_offers(self, feeds):
        feeds.load(0, ALL)
        availability = Product.objects.filter(external_id="malika:10").values_list("is_available")

        feeds.load(1, BUT_ONE)
        assert availability.get() == (False,)

        feeds.load(2, ALL)
        assert availability.get() == (True,)

    def test_a_product_with_another_offer_is_available(self, feeds):
        feeds.load(0, ALL)
        [product] = Product.objects.filter(external_id="malika:10")
        feeds.load(0, ALL, shop="Alisher")
        Offer.objects.filter(external_id="alisher:1").update(product=product)

        feeds.load(1, BUT_ONE)

        product.refresh_from_db()
        assert (unavailable(), product.is_available) == (["malika:10"], True)

    def test_an_offer_without_a_stated_availability_is_available_again(self, feeds):
        feeds.OFFER = feeds.OFFER.replace(' available="true"', "")
        feeds.load(0, ALL)
        feeds.load(1, BUT_ONE)

        feeds.load(2, ALL)

        assert unavailable() == []

    def test_an_offer_that_stays_missing_has_one_point(self, feeds):
        feeds.load(0, ALL)
        feeds.load(1, BUT_ONE)

        summary = feeds.load(2, BUT_ONE)

        assert (summary.missing, unavailable()) == (0, ["malika:10"])
        assert points("malika:10") == [(0, 1010, True), (1, 1010, False)]

    def test_other_shops_are_unchanged(self, feeds):
        feeds.load(0, ALL)
        feeds.load(0, ALL, shop="Zamon")

        feeds.load(1, BUT_ONE)

        assert unavailable() == ["malika:10"]
        assert points("zamon:10") == [(0, 1010, True)]

    def test_nothing_is_missing_without_the_option(self, feeds):
        feeds.load(0, ALL)

        summary = feeds.load(1, BUT_ONE, full_listing="")

        assert (summary.missing, unavailable()) == (0, [])

    def test_several_shops_are_each_listed_completely(self, feeds):
        for shop in ("Malika", "Zamon", "Nur"):
            feeds.load(0, ALL, shop=shop)
        paths = [feeds.write(1, BUT_ONE), feeds.write(1, BUT_ONE, shop="Zamon")]

        summary = ingest("yandex", paths, full_listing="shop")

        assert summary.missing == 2
        assert unavailable() == ["malika:10", "zamon:10"]

    def test_loading_the_same_again_changes_nothing(self, feeds):
        feeds.load(0, ALL)
        feeds.load(1, BUT_ONE)
        before = rows()

        summary = feeds.load(1, BUT_ONE)

        assert (summary.created, summary.updated, summary.missing) == (0, 0, 0)
        assert rows() == before

    def test_a_late_listing_does_not_restore_an_offer_that_went_missing_later(self, feeds):
        feeds.load(0, ALL)
        feeds.load(2, BUT_ONE)

        feeds.load(1, ALL)

        assert unavailable() == ["malika:10"]
        assert points("malika:10") == [(0, 1010, True), (2, 1010, False)]

    def test_a_late_listing_does_not_mark_an_offer_missing_that_was_seen_later(self, feeds):
        feeds.load(0, ALL)
        feeds.load(2, ALL)

        summary = feeds.load(1, BUT_ONE)

        assert (summary.missing, unavailable()) == (0, [])
        assert points("malika:10") == [(0, 1010, True)]


class TestResuming:
    @pytest.mark.parametrize("name", ["full_listing", "snapshot"])
    def test_reads_the_option_by_its_current_and_earlier_name(self, feeds, name):
        feeds.load(0, ALL)
        feeds.load(1, BUT_ONE, full_listing="")
        run = LoadRun.objects.latest("pk")
        run.options.pop("full_listing")
        run.options[name] = "shop"
        run.status = LoadRun.Status.FAILED
        run.save(update_fields=["options", "status"])
        run.sources.update(is_complete=False, checkpoint=0)

        summary = resume("ecommerce", run.pk)

        assert (summary.missing, unavailable()) == (1, ["malika:10"])


class TestUncertainty:
    def test_fewer_records_at_the_same_time_cause_a_warning(self, feeds):
        assert feeds.load(0, ALL).warnings == []
        assert feeds.load(0, ALL).warnings == []

        (warning,) = feeds.load(0, BUT_ONE).warnings

        assert "An earlier full listing of shop " in warning
        assert "has the same time, " in warning
        assert warning.endswith("use --observed-at to set another time.")
        assert unavailable() == []

    def test_an_unreadable_record_could_be_the_missing_one(self, feeds):
        feeds.load(0, ALL)

        summary = feeds.load(1, BUT_ONE, faulty={5})

        (warning,) = summary.warnings
        text = "1 record could not be read, so missing items cannot be determined"
        assert f": {text}" in warning
        assert warning.endswith("Release the quarantined records, and load the full listing again.")
        assert (summary.missing, unavailable()) == (0, [])
        assert QuarantinedRecord.objects.count() == 1

    def test_an_empty_full_listing_marks_nothing_missing(self, feeds):
        feeds.load(0, ALL)

        summary = feeds.load(1, [])

        assert summary.source_errors == ["The full listing is empty: nothing was marked missing."]
        assert unavailable() == []

    def test_an_unreadable_source_marks_nothing_missing(self, feeds):
        feeds.load(0, ALL)
        paths = [feeds.write(1, BUT_ONE), str(feeds.folder / "gone.xml")]

        summary = ingest("yandex", paths, full_listing="shop")

        assert len(summary.source_errors) == 1
        assert (summary.missing, unavailable()) == (0, [])


class TestAuto:
    def test_uses_the_only_shop(self, feeds):
        feeds.load(0, ALL, categories=(1, 2), full_listing="auto")

        summary = feeds.load(1, BUT_ONE, categories=(1, 2), full_listing="auto")

        assert summary.missing == 1
        assert unavailable() == ["malika:10"]

    def test_refuses_two_shops_with_two_categories(self, feeds):
        for shop in ("Malika", "Zamon"):
            feeds.load(0, ALL, shop=shop, categories=(1, 2))
        paths = [
            feeds.write(1, BUT_ONE, shop=shop, categories=(1, 2)) for shop in ("Malika", "Zamon")
        ]

        summary = ingest("yandex", paths, full_listing="auto")

        (failure,) = summary.source_errors
        assert "2 shops (malika, zamon), 0 records without one; 4 categories" in failure
        assert failure.endswith(
            "Nothing was marked missing. Use --full-listing shop or --full-listing category if the "
            "input lists each shop or category completely."
        )
        assert LoadRun.objects.get(pk=summary.run_id).status == LoadRun.Status.FAILED
        assert (summary.missing, unavailable()) == (0, [])
        assert PricePoint.objects.count() == 20


class TestCategories:
    def test_other_categories_of_the_shop_are_unchanged(self, feeds):
        feeds.load(0, ALL, categories=(1, 2))
        audio = [n for n in ALL if n % 2]

        summary = feeds.load(1, audio[:-1], categories=(1, 2), full_listing="category")

        assert summary.missing == 1
        assert unavailable() == ["malika:9"]


class TestHeld:
    def test_release_marks_the_missing_offers(self, feeds):
        feeds.load(0, ALL)
        held = feeds.load(1, HALF)
        assert (len(held.hold_reasons), held.missing, unavailable()) == (1, 0, [])

        summary = resume("ecommerce", held.run_id)

        run = LoadRun.objects.get(pk=held.run_id)
        assert (summary.missing, run.status) == (5, LoadRun.Status.COMPLETED)
        assert set(unavailable()) == {f"malika:{n}" for n in ALL if n not in HALF}
        assert points("malika:10") == [(0, 1010, True), (1, 1010, False)]
        with pytest.raises(SourceError, match="cannot be resumed"):
            resume("ecommerce", held.run_id)

    def test_release_keeps_offers_that_were_seen_meanwhile(self, feeds):
        feeds.load(0, ALL)
        held = feeds.load(1, HALF)
        feeds.load(2, ALL)

        resume("ecommerce", held.run_id)

        assert unavailable() == []
        assert points("malika:10") == [(0, 1010, True)]

    def test_later_listings_are_compared_with_a_released_one(self, feeds):
        for at in range(3):
            feeds.load(at, ALL)
        resume("ecommerce", feeds.load(3, HALF).run_id)

        assert feeds.load(4, HALF).hold_reasons == []
        assert len(feeds.load(5, [1, 2]).hold_reasons) == 1

    def test_later_listings_are_not_compared_with_a_discarded_one(self, feeds):
        feeds.load(0, ALL)
        discard("yandex", feeds.load(1, HALF).run_id)

        assert len(feeds.load(2, HALF).hold_reasons) == 1

    def test_discard_marks_nothing_missing(self, feeds):
        feeds.load(0, ALL)
        held = feeds.load(1, HALF)

        discard("yandex", held.run_id)

        run = LoadRun.objects.get(pk=held.run_id)
        assert (run.status, unavailable()) == (LoadRun.Status.DISCARDED, [])


class TestReplays:
    """A replay keeps missing offers missing."""

    def test_keep_missing_offers(self, feeds):
        feeds.load(0, ALL)
        feeds.load(1, BUT_ONE)
        before = rows()

        replay("yandex")

        assert rows() == before

    def test_keep_offers_that_came_back(self, feeds):
        for at, numbers in enumerate((ALL, BUT_ONE, ALL)):
            feeds.load(at, numbers)
        before = rows()

        replay("yandex")

        assert rows() == before

    def test_keep_released_missing_offers(self, feeds):
        feeds.load(0, ALL)
        resume("ecommerce", feeds.load(1, HALF).run_id)
        before = rows()

        replay("yandex")

        assert rows() == before


class TestRefusals:
    def test_a_platform_without_full_listings(self):
        with pytest.raises(SourceError, match="--full-listing is not supported for uzex"):
            ingest("uzex", ["lots.json"], full_listing="auto")

    def test_an_unknown_kind(self):
        with pytest.raises(SourceError, match='Unknown kind of full listing "all"'):
            ingest("yandex", ["feed.xml"], full_listing="all")
