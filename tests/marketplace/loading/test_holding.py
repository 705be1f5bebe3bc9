"""What gates hold, what they let pass, and what becomes of what they held."""

import random
import re
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from django.apps import apps
from django.db import transaction

from classifieds.models import Listing
from ecommerce.models import LoadChunk, LoadRun, Offer, QuarantinedRecord
from marketplace.loading import chunks
from marketplace.loading.addresses import locate
from marketplace.loading.ingest import ingest, load_documents, resume
from marketplace.loading.run_review import discard_run
from tests import factories, payloads

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds"])

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
DATE = START.isoformat()
SIZE = 300

#: What says when and by which run something was written, not what is known.
_WRITTEN = {"id", "updated_at", "run_id", "run", "created_at"}


@pytest.fixture(autouse=True)
def _stretches(settings):
    """Make stretches of a hundred records."""
    settings.INGEST_BATCH_SIZE = 100


def card(number, price, **overrides):
    """A card with two offers."""
    skus = [{"id": number * 10 + n, "sellPrice": price and price + n} for n in range(2)]
    told = {"productId": number, "title": f"Choynak {number}", "minSellPrice": price}
    return told | {"skuList": skus} | overrides


def day(number, *, size=SIZE, factor=1, **overrides):
    """The cards of one day: every tenth price is another than the day before."""
    told = {"ordersQuantity": number} | overrides
    return [
        card(n, (1000 + 7 * n + 13 * ((n + number) // 10)) * factor, **told)
        for n in range(1, size + 1)
    ]


def load(cards, at, platform="uzum"):
    return load_documents(platform, cards, observed_at=START + timedelta(days=at))


def history(days=4):
    """Load some clean days."""
    for number in range(days):
        assert load(day(number), number).causes == []


def content(alias="ecommerce"):
    """Return what the live tables say, by natural keys."""
    return {
        name: sorted(_plain(row) for row in _rows(alias, name))
        for name in ("Seller", "Category", "Product", "Offer", "PricePoint")
    }


def _rows(alias, name):
    model = apps.get_model(alias, name)
    names = [field.attname for field in model._meta.concrete_fields]
    kept = [each for each in names if each not in _WRITTEN and not each.endswith("_id")]
    keys = [f"{field.name}__external_id" for field in model._meta.fields if field.is_relation]
    own = ["external_id"] if "external_id" in names else []
    return model.objects.values_list(*own, *keys, *dict.fromkeys(kept))


def _plain(row):
    return tuple(str(bytes(v) if isinstance(v, memoryview) else v) for v in row)


@contextmanager
def undone():
    """Take back what happens inside."""
    with transaction.atomic(using="ecommerce"):
        yield
        transaction.set_rollback(True, using="ecommerce")


def without_gates(settings, bad, at):
    """Return the content that loading makes that holds nothing."""
    with undone():
        settings.INGEST_GATES = {"default": {"is_enabled": False}}
        assert load(bad, at).causes == []
        settings.INGEST_GATES = {}
        return content()


def nulled():
    """A day of which all prices after the first hundred cards are lost."""
    return day(4)[:100] + [card(n, None) for n in range(101, SIZE + 1)]


def slipped():
    """A day on which prices are told in another unit."""
    return day(4, factor=100)


def untitled():
    """A day on which titles are lost."""
    return day(4, title=None)


def mixed_up():
    """A day on which all cards have the same few ids."""
    return [card(1 + n % 5, 1000 + n) for n in range(SIZE)]


def foreign():
    """Ads of another platform."""
    ad = {
        "created_time": "2026-03-05T10:00:00+05:00",
        "params": [],
        "url": "https://www.olx.uz/d/1",
    }
    return [ad | {"id": n, "title": f"Divan {n}"} for n in range(SIZE)]


#: What goes wrong, how many records are loaded before it shows, and what is said of it.
FAULTS = {
    "nulled prices": (
        nulled,
        100,
        "price is missing in 100% of 100 records of UZ-GQL-CARD (usually 0%, limit 20%)",
    ),
    "another unit": (
        slipped,
        0,
        "100% of 200 prices moved by a factor of 10, 100 or 1,000 (usually 0%, limit 5%): "
        "another unit?",
    ),
    "lost titles": (
        untitled,
        0,
        "title is missing in 100% of 100 records of UZ-GQL-CARD (usually 0%, limit 20%)",
    ),
    "mixed up ids": (
        mixed_up,
        0,
        "95% of 100 records of UZ-GQL-CARD repeat an id with other content (usually 0%, limit 30%)",
    ),
    "another platform": (
        foreign,
        0,
        "records cannot be read (usually 0%, limit 50%): not a known shape of uzum (keys: "
        "created_time, params, url, id, title); it looks like OLX-API of olx",
    ),
}


@pytest.fixture(params=FAULTS)
def fault(request):
    return FAULTS[request.param]


class TestFaults:
    def test_are_held_with_their_cause(self, fault):
        make, loaded, cause = fault
        history()
        before = content()

        summary = load(make(), 4)

        run = LoadRun.objects.get(pk=summary.run_id)
        (told,) = summary.causes
        assert cause in told
        assert (run.status, run.error) == (LoadRun.Status.HELD, told)
        assert (run.read_count, run.held_count) == (loaded, SIZE - loaded)
        assert run.chunks.exists()
        assert not QuarantinedRecord.objects.exists()
        if not loaded:
            assert content() == before

    def test_released_they_are_loaded_as_without_gates(self, fault, settings):
        make, _, _ = fault
        history()
        expected = without_gates(settings, make(), 4)
        summary = load(make(), 4)

        resume("ecommerce", summary.run_id)

        run = LoadRun.objects.get(pk=summary.run_id)
        assert content() == expected
        assert run.read_count == SIZE
        assert not run.chunks.exists()

    @pytest.mark.parametrize("name", sorted(FAULTS.keys() - {"mixed up ids"}))
    def test_released_late_they_go_where_they_belong(self, name, settings):
        make, _, _ = FAULTS[name]
        history()
        with undone():
            settings.INGEST_GATES = {"default": {"is_enabled": False}}
            load(make(), 4)
            load(day(5), 5)
            expected = content()
        settings.INGEST_GATES = {}
        summary = load(make(), 4)
        assert load(day(5), 5).causes == []

        resume("ecommerce", summary.run_id)

        assert content() == expected

    def test_discarded_they_leave_no_trace(self, fault):
        make, loaded, _ = fault
        history()
        before = content()
        summary = load(make(), 4)

        discarded = discard_run(locate(f"uzum-{summary.run_id}"))

        run = LoadRun.objects.get(pk=summary.run_id)
        assert discarded == SIZE - loaded
        assert (run.status, run.chunks.count()) == (LoadRun.Status.DISCARDED, 0)
        if not loaded:
            assert content() == before

    def test_the_next_clean_day_passes(self, fault):
        make, _, _ = fault
        history()
        load(make(), 4)

        summary = load(day(5), 5)

        assert (summary.causes, summary.read) == ([], SIZE)

    @pytest.mark.parametrize("name", ["nulled prices", "lost titles", "mixed up ids"])
    def test_what_was_released_once_passes_the_next_time(self, name):
        make, _, _ = FAULTS[name]
        history()
        resume("ecommerce", load(make(), 4).run_id)

        assert load(make(), 5).causes == []


class TestCounts:
    def test_what_was_loaded_before_is_counted_though_the_rest_is_held(self, tmp_path):
        known = [
            {"payload": {"data": {"id": n, "title": "Choynak", "skuList": []}}, "timestamp": DATE}
            for n in range(1, 51)
        ]
        paths = [tmp_path / "known.jsonl", tmp_path / "all.jsonl"]
        for path, documents in zip(paths, (known, [*known, *foreign()]), strict=True):
            path.write_bytes(b"\n".join(map(orjson.dumps, documents)))
        ingest("uzum", [str(paths[0])])

        summary = ingest("uzum", [str(paths[1])])

        run = LoadRun.objects.latest("pk")
        assert (summary.read, summary.unchanged, summary.held) == (50, 50, SIZE)
        assert (run.read_count, run.unchanged_count, run.held_count) == (50, 50, SIZE)


class TestPushes:
    def push(self, cards):
        """Queue what a scraper sent; return its run."""
        lines = [orjson.dumps(each) for each in cards]
        moment = (START + timedelta(days=4)).isoformat()
        queued = factories.load_run(
            "ecommerce",
            platform="uzum",
            status="queued",
            options={"observed_at": moment, "options": {}, "columns": None, "paths": []},
            read_count=0,
            created_count=0,
            unchanged_count=0,
            finished_at=None,
        )
        LoadChunk.objects.create(run=queued, number=1, body=chunks.pack(lines))
        return queued

    def test_are_held_and_released_like_files(self, settings):
        history()
        expected = without_gates(settings, nulled(), 4)
        queued = self.push(nulled())

        held = resume("ecommerce", queued.pk)
        queued.refresh_from_db()
        assert (queued.status, held.held) == (LoadRun.Status.HELD, 200)

        released = resume("ecommerce", queued.pk)
        queued.refresh_from_db()
        assert (queued.status, released.read) == (LoadRun.Status.COMPLETED, 200)
        assert content() == expected

    def test_leave_nothing_behind_when_they_are_discarded(self):
        history()
        before = content()
        queued = self.push(slipped())
        resume("ecommerce", queued.pk)

        discarded = discard_run(locate(f"uzum-{queued.pk}"))

        assert (discarded, LoadChunk.objects.count()) == (SIZE, 0)
        assert content() == before


class TestWhatPasses:
    def test_a_double_load(self):
        history()
        before = content()

        summary = load(day(3), 3)

        assert (summary.causes, summary.created, summary.updated) == ([], 0, 0)
        assert content() == before

    def test_the_same_cards_twice_in_one_load(self):
        history()

        summary = load(day(4) + day(4), 4)

        assert summary.causes == []
        assert Offer.objects.count() == 2 * SIZE

    def test_a_first_load_whatever_it_is_like(self):
        assert load(nulled(), 0).causes == []

    def test_a_sale(self):
        history()

        assert load(day(4, factor=0.6), 4).causes == []

    def test_a_tenth_of_the_prices_is_lost(self):
        history()
        cards = day(4)
        for number in range(0, SIZE, 10):
            cards[number] = card(number + 1, None)

        assert load(cards, 4).causes == []

    def test_a_few_cards_of_another_platform_go_to_quarantine(self):
        history()

        summary = load(day(4) + foreign()[:20], 4)

        assert (summary.causes, summary.rejected) == ([], 20)
        assert "it looks like OLX-API of olx" in QuarantinedRecord.objects.first().reason

    def test_days_of_ordinary_prices(self):
        generator = random.Random(3)
        prices = {number: 1000 + generator.randint(0, 10**6) for number in range(1, SIZE + 1)}
        causes = []
        for at in range(12):
            for number in generator.sample(sorted(prices), SIZE // 10):
                prices[number] = round(prices[number] * generator.uniform(0.6, 1.6))
            cards = [card(n, price) for n, price in prices.items() if generator.random() > 0.1]
            causes += load(cards, at).causes

        assert causes == []


def repeating(number):
    """A day on which two of five cards come twice, with other titles."""
    return day(number, size=60) + day(number, size=40, title="Choynak, sariq")


class TestOrderOfDays:
    """Three days on which cards repeat, and four on which none does."""

    DAYS = [*[(repeating(n), n) for n in range(3)], *[(day(n, size=60), n) for n in range(3, 7)]]

    @pytest.fixture(autouse=True)
    def _whole_days(self, settings):
        settings.INGEST_BATCH_SIZE = 1000
        settings.INGEST_GATES = {"default": {"runs": 3}}

    def load_all(self, days):
        summaries = [load(cards, at) for cards, at in days]
        assert [cause for each in summaries for cause in each.causes] == []
        return [(each.created, each.updated, each.held) for each in summaries]

    def test_does_not_matter(self):
        with undone():
            self.load_all(self.DAYS)
            expected = content()

        self.load_all(reversed(self.DAYS))

        assert content() == expected

    def test_what_was_loaded_before_holds_and_changes_nothing(self):
        self.load_all(self.DAYS)
        before = content()

        assert set(self.load_all(self.DAYS)) == {(0, 0, 0)}
        assert set(self.load_all(reversed(self.DAYS))) == {(0, 0, 0)}

        assert content() == before

    def test_what_was_loaded_by_an_earlier_release_is_known_by_its_payloads(self):
        self.load_all(self.DAYS)
        for run in LoadRun.objects.all():
            run.quality_metrics = {
                k: v for k, v in run.quality_metrics.items() if k not in ("since", "until")
            }
            run.save()

        assert set(self.load_all(self.DAYS[:3])) == {(0, 0, 0)}

    def test_news_among_what_was_loaded_before_are_judged(self):
        self.load_all(self.DAYS)
        lost = [card(n, None) for n in range(1001, 1081)]

        summary = load(day(2, size=60)[:20] + lost, 2)

        assert "price is missing in 80% of 100 records" in summary.causes[0]
        assert summary.held == 100

    def test_a_late_day_is_compared_with_those_before_it(self):
        self.load_all(self.DAYS[:2] + self.DAYS[3:])

        assert load([card(n, None) for n in range(1, 61)], 2).causes != []
        assert load(repeating(2), 2).causes == []

    def test_a_day_that_repeats_after_days_that_do_not_is_held(self):
        self.load_all(self.DAYS)

        assert "repeat an id with other content" in load(repeating(7), 7).causes[0]


class TestThresholds:
    def test_those_of_the_platform_count(self, settings):
        history()
        settings.INGEST_GATES = {"default": {"missing": 0.001}, "uzum": {"missing": 1.0}}

        assert load(nulled(), 4).causes == []

    def test_gates_that_are_off_measure_all_the_same(self, settings):
        settings.INGEST_GATES = {"uzum": {"is_enabled": False}}
        history()

        assert load(slipped(), 4).causes == []
        assert LoadRun.objects.filter(quality_metrics=None).count() == 0


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

        assert summary.causes == [
            "coordinates is missing in 100% of 60 records of OLX-API (usually 0%, limit 20%)"
        ]
        assert Listing.objects.exclude(latitude=None).count() == 60

    def test_ads_in_another_unit(self):
        load(self.ads(), 0, "olx")
        params = [{"key": "price", "value": {"value": 50000, "currency": "UZS"}}]

        summary = load(self.ads(params=params), 1, "olx")

        assert summary.causes == [
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
        assert summary.causes == [
            "the full listing has 40 rows, 50% of the usual 80 (limit 70%): was it read to its end?"
        ]
        assert (run.status, run.error) == (LoadRun.Status.HELD, summary.causes[0])
        assert self.state() == before

    def test_a_full_listing_that_is_almost_complete_passes(self, tmp_path):
        for at in range(3):
            self.feed(tmp_path, at, 80)

        assert self.feed(tmp_path, 3, 70).causes == []

    def test_an_earlier_one_is_compared_with_those_before_it(self, tmp_path):
        self.feed(tmp_path, 0, 30)
        for at in range(5, 9):
            self.feed(tmp_path, at, 80)

        assert self.feed(tmp_path, 0, 30).causes == []
        assert self.feed(tmp_path, 1, 40).causes == []
        assert self.feed(tmp_path, 2, 20).causes != []


class TestRealPayloads:
    @pytest.fixture(autouse=True)
    def _whole_stretches(self, settings):
        settings.INGEST_BATCH_SIZE = 1000

    def load(self, platform, paths, columns=None):
        """Load files, each as a run; return (created, updated, held) of each."""
        runs = [ingest(platform, [str(path)], columns=columns) for path in paths]
        assert [cause for each in runs for cause in each.causes] == []
        return [(each.created, each.updated, each.held) for each in runs]

    def test_days_of_a_shop_pass_in_any_order(self):
        days = sorted(payloads.path("yandex/lg-kz-snapshots").iterdir())
        orders = [days, *[random.Random(n).sample(days, len(days)) for n in (1, 2)], days[::-1]]
        found = []

        for order in orders:
            with undone():
                self.load("yandex", order)
                found.append(content())
                # Those on which ids repeat are among them, and what is far from them.
                again = order if order is days else [days[0], days[12], days[-1]]
                assert set(self.load("yandex", again)) == {(0, 0, 0)}
                assert content() == found[-1]

        assert found[1:] == found[:1] * 3

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

    def test_searches_pass(self):
        names = ["ozon-search-data.csv.gz", "ozon-search-data-1.csv.gz"]
        paths = [str(payloads.path(f"ozon/{name}")) for name in names]

        self.load("ozon", paths)

    def test_pages_of_ads_pass(self):
        paths = sorted(payloads.path("olx/olx-uz-rent-tashkent-2022-10").iterdir())

        self.load("olx", paths)

    def test_a_feed_in_another_unit_is_held(self, tmp_path):
        paths = sorted(payloads.path("yandex/lg-kz-snapshots").iterdir())
        for path in paths[:3]:
            ingest("yandex", [str(path)], options={"shop": "lg"})
        text = payloads.read(f"yandex/lg-kz-snapshots/{paths[3].name}").decode()
        (tmp_path / "feed.xml").write_text(re.sub(r"<price>(\d+)<", r"<price>\g<1>00<", text))
        before = list(Offer.objects.order_by("pk").values_list("price", flat=True))

        summary = ingest("yandex", [str(tmp_path / "feed.xml")], options={"shop": "lg"})

        (cause,) = summary.causes
        assert "prices moved by a factor of 10, 100 or 1,000 (usually 0%, limit 5%)" in cause
        assert list(Offer.objects.order_by("pk").values_list("price", flat=True)) == before
