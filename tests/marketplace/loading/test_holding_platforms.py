"""Gates of the other platforms, of full listings, and of real payloads."""

import random
import re
from datetime import timedelta

import pytest

from classifieds.models import Listing
from ecommerce.models import LoadRun, Offer
from marketplace.loading.ingest import ingest
from tests import payloads
from tests.marketplace.loading.days import START, content, load, rolled_back

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds"])


@pytest.fixture(autouse=True)
def _small_batches(settings):
    """Load batches of a hundred records."""
    settings.INGEST_BATCH_SIZE = 100


class TestOtherDatabases:
    def ads(self, count=60, **overrides):
        ad = {
            "created_time": "2026-03-05T10:00:00+05:00",
            "url": "https://www.olx.uz/d/obyavlenie/x",
            "map": {"lat": 41.3, "lon": 69.2},
            "category": {"id": 1},
            "params": [{"key": "price", "value": {"value": 500, "currency": "UZS"}}],
        }
        return [ad | {"id": n, "title": f"Divan {n}"} | overrides for n in range(count)]

    def test_ads_without_coordinates(self):
        for number in range(3):
            load(self.ads(status="active", description=f"{number}"), number, "olx")

        summary = load(self.ads(map={}), 4, "olx")

        assert summary.hold_reasons == [
            "coordinates is missing in 100% of 60 records of OLX-API (usually 0%, limit 20%)"
        ]
        assert Listing.objects.exclude(latitude=None).count() == 60

    def test_ads_in_another_unit(self):
        load(self.ads(), 0, "olx")
        params = [{"key": "price", "value": {"value": 50000, "currency": "UZS"}}]

        summary = load(self.ads(params=params), 1, "olx")

        assert summary.hold_reasons == [
            "100% of 60 prices moved by a factor of 10, 100 or 1,000 (limit 5%): another unit?"
        ]
        assert set(Listing.objects.values_list("price", flat=True)) == {500}


class TestFullListings:
    FEED = (
        '<?xml version="1.0"?><yml_catalog date="{date}"><shop><name>Malika</name><currencies>'
        '<currency id="UZS" rate="1"/></currencies><offers>{offers}</offers></shop></yml_catalog>'
    )
    OFFER = (
        '<offer id="{n}" available="true"><name>TV {n}</name><price>{price}</price>'
        "<currencyId>UZS</currencyId></offer>"
    )

    def feed(self, folder, at, count):
        offers = [self.OFFER.format(n=n, price=1000 + n) for n in range(count)]
        path = folder / f"malika-{at}.xml"
        moment = START + timedelta(days=at)
        path.write_text(self.FEED.format(date=moment.isoformat(), offers="".join(offers)))
        return ingest("yandex", [str(path)], full_listing="shop")

    def state(self):
        return list(Offer.objects.order_by("external_id").values("external_id", "is_available"))

    def test_half_a_full_listing_marks_nothing_missing(self, tmp_path):
        for at in range(3):
            self.feed(tmp_path, at, 80)
        before = self.state()

        summary = self.feed(tmp_path, 3, 40)

        run = LoadRun.objects.get(pk=summary.run_id)
        assert summary.hold_reasons == [
            "the full listing has 40 rows, 50% of the usual 80 (limit 70%): was it read to its end?"
        ]
        assert (run.status, run.error) == (LoadRun.Status.HELD, summary.hold_reasons[0])
        assert self.state() == before

    def test_a_full_listing_that_is_almost_complete_passes(self, tmp_path):
        for at in range(3):
            self.feed(tmp_path, at, 80)

        assert self.feed(tmp_path, 3, 70).hold_reasons == []

    def test_a_late_full_listing_is_compared_with_earlier_ones(self, tmp_path):
        self.feed(tmp_path, 0, 30)
        for at in range(5, 9):
            self.feed(tmp_path, at, 80)

        assert self.feed(tmp_path, 0, 30).hold_reasons == []
        assert self.feed(tmp_path, 1, 40).hold_reasons == []
        assert self.feed(tmp_path, 2, 20).hold_reasons != []


class TestRealPayloads:
    @pytest.fixture(autouse=True)
    def _large_batches(self, settings):
        settings.INGEST_BATCH_SIZE = 1000

    def load(self, platform, paths, columns=None):
        """Load each file in a run of its own; return (created, updated, held) for each."""
        runs = [ingest(platform, [str(path)], columns=columns) for path in paths]
        assert [cause for run in runs for cause in run.hold_reasons] == []
        return [(run.created, run.updated, run.held) for run in runs]

    @pytest.mark.slow
    def test_days_of_a_shop_pass_in_any_order(self):
        days = sorted(payloads.path("yandex/lg-kz-snapshots").iterdir())
        orders = [days, *[random.Random(n).sample(days, len(days)) for n in (1, 2)], days[::-1]]
        contents = []

        for order in orders:
            with rolled_back():
                self.load("yandex", order)
                contents.append(content())
                # These days include those with repeated ids, and some that are far from them.
                again = order if order is days else [days[0], days[12], days[-1]]
                assert set(self.load("yandex", again)) == {(0, 0, 0)}
                assert content() == contents[-1]

        assert contents[1:] == contents[:1] * 3

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("platform", "pattern", "columns"),
        [
            ("yandex", "yandex/yml-alstyle-*", None),
            ("yandex", "yandex/yml-akcent-*", None),
            ("olx", "olx/olx-uz-rent-tashkent-2022-10/*", None),
            ("olx", "olx/olx-pl-cars-*", "classifieds/columns/olx-pl-a.toml"),
        ],
    )
    def test_days_and_pages_pass_in_reverse_and_twice(self, settings, platform, pattern, columns):
        paths = sorted(payloads.path("").glob(pattern), reverse=True)
        assert len(paths) > 1
        columns = columns and str(settings.BASE_DIR / columns)

        self.load(platform, paths, columns)

        assert set(self.load(platform, paths, columns)) == {(0, 0, 0)}

    @pytest.mark.slow
    def test_searches_pass(self):
        names = ["ozon-search-data.csv.gz", "ozon-search-data-1.csv.gz"]
        paths = [str(payloads.path(f"ozon/{name}")) for name in names]

        self.load("ozon", paths)

    def test_a_feed_in_another_unit_is_held(self, tmp_path):
        paths = sorted(payloads.path("yandex/lg-kz-snapshots").iterdir())
        for path in paths[:3]:
            ingest("yandex", [str(path)], options={"shop": "lg"})
        text = payloads.read(f"yandex/lg-kz-snapshots/{paths[3].name}").decode()
        (tmp_path / "feed.xml").write_text(re.sub(r"<price>(\d+)<", r"<price>\g<1>00<", text))
        before = list(Offer.objects.order_by("pk").values_list("price", flat=True))

        summary = ingest("yandex", [str(tmp_path / "feed.xml")], options={"shop": "lg"})

        (cause,) = summary.hold_reasons
        assert "prices moved by a factor of 10, 100 or 1,000 (usually 0%, limit 5%)" in cause
        assert list(Offer.objects.order_by("pk").values_list("price", flat=True)) == before
