"""Full listings of a shop or category, and ads that end at a date of their own."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from classifieds.full_listings import expire
from classifieds.models import Listing, ListingEvent
from ecommerce.models import LoadRun, Offer, PricePoint, Product, QuarantinedRecord
from marketplace.exceptions import SourceError
from marketplace.loading.addresses import parse_address
from marketplace.loading.ingest import ingest, load_documents, resume
from marketplace.loading.replay import replay
from marketplace.loading.run_review import discard_run

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds"])

START = datetime(2026, 3, 1, 9, tzinfo=UTC)

#: As many as a gate lets one of them be missing.
ALL = range(1, 11)
BUT_ONE = range(1, 10)
HALF = range(1, 6)


def day(number):
    return START + timedelta(days=number)


class Feeds:
    """The price lists of shops, each a file in a folder."""

    FEED = (
        '<?xml version="1.0"?><yml_catalog date="{date}"><shop><name>{shop}</name><currencies>'
        '<currency id="UZS" rate="1"/></currencies><categories><category id="1">TV</category>'
        '<category id="2">Audio</category></categories><offers>{offers}</offers></shop>'
        "</yml_catalog>"
    )
    OFFER = (
        '<offer id="{n}" available="true"><name>TV {n}</name><price>{price}</price>'
        "<currencyId>UZS</currencyId><categoryId>{category}</categoryId></offer>"
    )

    def __init__(self, folder):
        self.folder = folder

    def write(self, at, numbers, *, shop="Malika", categories=(1,), faulty=()):
        """Write a feed; the categories take turns. Return its path."""
        offers = [
            self.OFFER.format(
                n=n,
                price="1000 yoki 2000" if n in faulty else 1000 + n,
                category=categories[n % len(categories)],
            )
            for n in numbers
        ]
        path = self.folder / f"{shop}-{at}-{len(offers)}.xml"
        date = day(at).isoformat()
        path.write_text(self.FEED.format(date=date, shop=shop, offers="".join(offers)))
        return str(path)

    def load(self, at, numbers, *, full_listing="shop", **told):
        return ingest("yandex", [self.write(at, numbers, **told)], full_listing=full_listing)


@pytest.fixture
def feeds(tmp_path):
    return Feeds(tmp_path)


def unavailable():
    """Return the offers that are not for sale."""
    found = Offer.objects.filter(is_available=False).order_by("external_id")
    return list(found.values_list("external_id", flat=True))


def points(external_id):
    """Return the price history of an offer: day, price, whether it was for sale."""
    found = PricePoint.objects.filter(offer__external_id=external_id).order_by("recorded_at")
    return [
        ((point.recorded_at - START).days, int(point.price), point.is_available) for point in found
    ]


def rows():
    """Return all that is known of offers and prices, and which transaction wrote it."""
    return [
        list(model.objects.extra(select={"written": "xmin::text"}).order_by("pk").values())
        for model in (Offer, PricePoint)
    ]


class TestShops:
    def test_what_is_missing_is_unavailable_from_then_on(self, feeds):
        feeds.load(0, ALL)

        summary = feeds.load(1, BUT_ONE)

        assert (summary.missing, summary.warnings, summary.why_failed) == (1, [], "")
        assert unavailable() == ["malika:10"]
        assert points("malika:10") == [(0, 1010, True), (1, 1010, False)]
        assert points("malika:9") == [(0, 1009, True)]

    def test_what_is_seen_again_is_available_again(self, feeds):
        feeds.load(0, ALL)
        feeds.load(1, BUT_ONE)

        summary = feeds.load(2, ALL)

        assert (summary.missing, unavailable()) == (0, [])
        assert points("malika:10") == [(0, 1010, True), (1, 1010, False), (2, 1010, True)]

    def test_products_follow_their_offers(self, feeds):
        feeds.load(0, ALL)
        told = Product.objects.filter(external_id="malika:10").values_list("is_available")

        feeds.load(1, BUT_ONE)
        assert told.get() == (False,)

        feeds.load(2, ALL)
        assert told.get() == (True,)

    def test_a_product_that_another_offer_has_is_for_sale(self, feeds):
        feeds.load(0, ALL)
        [product] = Product.objects.filter(external_id="malika:10")
        feeds.load(0, ALL, shop="Alisher")
        Offer.objects.filter(external_id="alisher:1").update(product=product)

        feeds.load(1, BUT_ONE)

        product.refresh_from_db()
        assert (unavailable(), product.is_available) == (["malika:10"], True)

    def test_what_is_listed_without_a_word_is_available_again(self, feeds):
        feeds.OFFER = feeds.OFFER.replace(' available="true"', "")
        feeds.load(0, ALL)
        feeds.load(1, BUT_ONE)

        feeds.load(2, ALL)

        assert unavailable() == []

    def test_what_stays_away_has_one_point(self, feeds):
        feeds.load(0, ALL)
        feeds.load(1, BUT_ONE)

        summary = feeds.load(2, BUT_ONE)

        assert (summary.missing, unavailable()) == (0, ["malika:10"])
        assert points("malika:10") == [(0, 1010, True), (1, 1010, False)]

    def test_other_shops_are_left_alone(self, feeds):
        feeds.load(0, ALL)
        feeds.load(0, ALL, shop="Zamon")

        feeds.load(1, BUT_ONE)

        assert unavailable() == ["malika:10"]
        assert points("zamon:10") == [(0, 1010, True)]

    def test_without_a_word_nothing_is_missing(self, feeds):
        feeds.load(0, ALL)

        summary = feeds.load(1, BUT_ONE, full_listing="")

        assert (summary.missing, unavailable()) == (0, [])

    def test_several_shops_at_once_are_each_whole(self, feeds):
        for shop in ("Malika", "Zamon", "Nur"):
            feeds.load(0, ALL, shop=shop)
        paths = [feeds.write(1, BUT_ONE), feeds.write(1, BUT_ONE, shop="Zamon")]

        summary = ingest("yandex", paths, full_listing="shop")

        assert summary.missing == 2
        assert unavailable() == ["malika:10", "zamon:10"]

    def test_the_same_twice_changes_nothing(self, feeds):
        feeds.load(0, ALL)
        feeds.load(1, BUT_ONE)
        before = rows()

        summary = feeds.load(1, BUT_ONE)

        assert (summary.created, summary.updated, summary.missing) == (0, 0, 0)
        assert rows() == before

    def test_one_that_comes_late_does_not_bring_back_what_went_later(self, feeds):
        feeds.load(0, ALL)
        feeds.load(2, BUT_ONE)

        feeds.load(1, ALL)

        assert unavailable() == ["malika:10"]
        assert points("malika:10") == [(0, 1010, True), (2, 1010, False)]

    def test_one_that_comes_late_takes_nothing_that_was_seen_later(self, feeds):
        feeds.load(0, ALL)
        feeds.load(2, ALL)

        summary = feeds.load(1, BUT_ONE)

        assert (summary.missing, unavailable()) == (0, [])
        assert points("malika:10") == [(0, 1010, True)]


class TestDoubt:
    def test_fewer_records_at_the_same_time_are_warned_of(self, feeds):
        assert feeds.load(0, ALL).warnings == []
        assert feeds.load(0, ALL).warnings == []

        (warning,) = feeds.load(0, BUT_ONE).warnings

        assert "An earlier full listing of shop " in warning
        assert "has the same time, " in warning
        assert warning.endswith("use --observed-at to set another time.")
        assert unavailable() == []

    def test_a_record_that_cannot_be_read_may_be_what_seems_missing(self, feeds):
        feeds.load(0, ALL)

        summary = feeds.load(1, BUT_ONE, faulty={5})

        (warning,) = summary.warnings
        text = "1 record could not be read, so missing items cannot be determined"
        assert f": {text}" in warning
        assert warning.endswith("Release what is in quarantine, and load the full listing again.")
        assert (summary.missing, unavailable()) == (0, [])
        assert QuarantinedRecord.objects.count() == 1

    def test_an_empty_full_listing_marks_nothing_missing(self, feeds):
        feeds.load(0, ALL)

        summary = feeds.load(1, [])

        assert summary.failures == ["The full listing is empty: nothing was marked missing."]
        assert unavailable() == []

    def test_a_source_that_cannot_be_read_takes_nothing(self, feeds):
        feeds.load(0, ALL)
        paths = [feeds.write(1, BUT_ONE), str(feeds.folder / "gone.xml")]

        summary = ingest("yandex", paths, full_listing="shop")

        assert len(summary.failures) == 1
        assert (summary.missing, unavailable()) == (0, [])


class TestAuto:
    def test_takes_the_only_shop(self, feeds):
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

        (failure,) = summary.failures
        assert "2 shops (malika, zamon), 0 records without one; 4 categories" in failure
        assert failure.endswith(
            "Nothing was marked missing. Use --full-listing shop or --full-listing category if it "
            "lists each of them completely."
        )
        assert LoadRun.objects.get(pk=summary.run_id).status == LoadRun.Status.FAILED
        assert (summary.missing, unavailable()) == (0, [])
        assert PricePoint.objects.count() == 20


class TestCategories:
    def test_others_of_the_shop_are_left_alone(self, feeds):
        feeds.load(0, ALL, categories=(1, 2))
        audio = [n for n in ALL if n % 2]

        summary = feeds.load(1, audio[:-1], categories=(1, 2), full_listing="category")

        assert summary.missing == 1
        assert unavailable() == ["malika:9"]


class TestHeld:
    def test_release_takes_what_was_missing(self, feeds):
        feeds.load(0, ALL)
        held = feeds.load(1, HALF)
        assert (len(held.causes), held.missing, unavailable()) == (1, 0, [])

        summary = resume("ecommerce", held.run_id)

        run = LoadRun.objects.get(pk=held.run_id)
        assert (summary.missing, run.status) == (5, LoadRun.Status.COMPLETED)
        assert set(unavailable()) == {f"malika:{n}" for n in ALL if n not in HALF}
        assert points("malika:10") == [(0, 1010, True), (1, 1010, False)]
        with pytest.raises(SourceError, match="there is nothing to resume"):
            resume("ecommerce", held.run_id)

    def test_release_spares_what_was_seen_meanwhile(self, feeds):
        feeds.load(0, ALL)
        held = feeds.load(1, HALF)
        feeds.load(2, ALL)

        resume("ecommerce", held.run_id)

        assert unavailable() == []
        assert points("malika:10") == [(0, 1010, True)]

    def test_what_was_released_is_usual_from_then_on(self, feeds):
        for at in range(3):
            feeds.load(at, ALL)
        resume("ecommerce", feeds.load(3, HALF).run_id)

        assert feeds.load(4, HALF).causes == []
        assert len(feeds.load(5, [1, 2]).causes) == 1

    def test_what_was_discarded_is_not_usual(self, feeds):
        feeds.load(0, ALL)
        discard_run(parse_address(f"yandex-{feeds.load(1, HALF).run_id}"))

        assert len(feeds.load(2, HALF).causes) == 1

    def test_discarding_takes_nothing(self, feeds):
        feeds.load(0, ALL)
        held = feeds.load(1, HALF)

        discard_run(parse_address(f"yandex-{held.run_id}"))

        run = LoadRun.objects.get(pk=held.run_id)
        assert (run.status, unavailable()) == (LoadRun.Status.DISCARDED, [])


class TestReplays:
    """Replaying reads what was missing again, too."""

    def test_what_is_missing_stays_so(self, feeds):
        feeds.load(0, ALL)
        feeds.load(1, BUT_ONE)
        before = rows()

        replay("yandex")

        assert rows() == before

    def test_what_came_back_stays_so(self, feeds):
        for at, numbers in enumerate((ALL, BUT_ONE, ALL)):
            feeds.load(at, numbers)
        before = rows()

        replay("yandex")

        assert rows() == before

    def test_what_was_released_stays_so(self, feeds):
        feeds.load(0, ALL)
        resume("ecommerce", feeds.load(1, HALF).run_id)
        before = rows()

        replay("yandex")

        assert rows() == before


def ad(number, **overrides):
    """An ad as the offers API returns it."""
    return {
        "id": number,
        "title": f"Divan {number}",
        "created_time": day(-1).isoformat(),
        "url": f"https://www.olx.uz/d/{number}",
        "status": "active",
        "user": {"id": 7, "name": "Dilshod"},
        "category": {"id": 1},
        "params": [{"key": "price", "value": {"value": 500, "currency": "UZS"}}],
    } | overrides


def changes(external_id):
    """Return how the status of an ad changed: moment, old, new."""
    events = ListingEvent.objects.filter(listing__external_id=external_id, kind="status")
    found = events.order_by("recorded_at")
    return list(found.values_list("recorded_at", "old_status", "new_status"))


class TestAds:
    @pytest.fixture
    def load(self, tmp_path):
        def load(at, numbers):
            path = tmp_path / f"{at}.json"
            path.write_bytes(orjson.dumps({"data": [ad(n) for n in numbers]}))
            return ingest("olx", [str(path)], observed_at=day(at), full_listing="shop")

        return load

    def test_one_that_is_missing_is_removed(self, load):
        load(0, ALL)

        summary = load(1, BUT_ONE)

        gone = Listing.objects.get(external_id="10")
        assert (summary.missing, gone.status, gone.price) == (1, "removed", 500)
        assert changes("10") == [(day(1), "active", "removed")]
        assert ListingEvent.objects.filter(kind="price").count() == 0
        assert Listing.objects.filter(status="active").count() == 9

    def test_one_that_comes_back_is_active(self, load):
        load(0, ALL)
        load(1, BUT_ONE)

        load(2, ALL)

        assert Listing.objects.get(external_id="10").status == "active"
        assert changes("10") == [(day(1), "active", "removed"), (day(2), "removed", "active")]

    def test_replay_leaves_it_removed(self, load):
        load(0, ALL)
        load(1, BUT_ONE)

        replay("olx")

        assert Listing.objects.get(external_id="10").status == "removed"
        assert changes("10") == [(day(1), "active", "removed")]


class TestRefusals:
    def test_a_platform_without_full_listings(self):
        with pytest.raises(SourceError, match="uzex has no full listings"):
            ingest("uzex", ["lots.json"], full_listing="auto")

    def test_an_unknown_kind(self):
        with pytest.raises(SourceError, match='Unknown kind of full listing "all"'):
            ingest("yandex", ["feed.xml"], full_listing="all")


class TestExpiry:
    ENDS = day(2) + timedelta(hours=3)

    def load(self, at, number=1, **overrides):
        overrides = {"valid_to_time": self.ENDS.isoformat()} | overrides
        load_documents("olx", [ad(number, **overrides)], observed_at=day(at))

    def status(self):
        return Listing.objects.get(external_id="1").status

    def test_ends_an_ad_at_its_date(self):
        self.load(0)

        assert expire("classifieds", "olx", day(3)) == 1

        assert self.status() == "expired"
        assert changes("1") == [(self.ENDS, "active", "expired")]

    def test_spares_one_whose_date_is_to_come(self):
        self.load(0)

        assert expire("classifieds", "olx", day(2)) == 0

        assert (self.status(), changes("1")) == ("active", [])

    def test_spares_one_that_was_seen_after_its_date(self):
        self.load(0)
        self.load(3)

        assert expire("classifieds", "olx", day(4)) == 0

        assert (self.status(), changes("1")) == ("active", [])

    def test_comes_once(self):
        self.load(0)
        expire("classifieds", "olx", day(3))

        assert expire("classifieds", "olx", day(4)) == 0

        assert len(changes("1")) == 1

    def test_comes_with_a_load_of_others(self):
        self.load(0)

        self.load(3, number=2)

        assert self.status() == "expired"
        assert Listing.objects.get(external_id="2").status == "active"

    def test_a_later_observation_of_the_same_makes_it_active_again(self):
        self.load(0)
        expire("classifieds", "olx", day(3))

        self.load(4)

        assert self.status() == "active"
        assert changes("1") == [
            (self.ENDS, "active", "expired"),
            (day(4), "expired", "active"),
        ]

    def test_outlasts_a_replay(self):
        self.load(0)
        expire("classifieds", "olx", day(3))

        replay("olx")

        assert self.status() == "expired"
        assert changes("1") == [(self.ENDS, "active", "expired")]

    def test_an_older_observation_does_not_bring_it_back(self):
        self.load(1)
        expire("classifieds", "olx", day(3))

        self.load(0)

        assert self.status() == "expired"
