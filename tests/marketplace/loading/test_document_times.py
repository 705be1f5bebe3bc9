"""When what is read was observed: what its documents tell, unless that cannot be."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from ecommerce.models import LoadRun, Offer, PricePoint, RawPayload
from marketplace.exceptions import SourceError
from marketplace.loading.adapters import Source, get_adapter
from marketplace.loading.ingest import ingest, load_documents, resume
from marketplace.loading.values import TASHKENT
from tests import payloads

pytestmark = pytest.mark.django_db(databases=["ecommerce"])

DATE = datetime(2024, 1, 15, 10, tzinfo=TASHKENT)
SAID = datetime(2026, 5, 1, 9, tzinfo=UTC)


@pytest.fixture
def feed(tmp_path):
    """Return a function that writes a price list: prices of offers 1, 2, …."""

    def write(date, *prices, name="feed.xml"):
        offers = "".join(
            f'<offer id="{number}"><name>Choynak</name><price>{price}</price>'
            "<currencyId>UZS</currencyId></offer>"
            for number, price in enumerate(prices, 1)
        )
        path = tmp_path / name
        path.write_text(
            f'<?xml version="1.0"?><yml_catalog date="{date}"><shop><name>Shop</name>'
            f"<offers>{offers}</offers></shop></yml_catalog>"
        )
        return str(path)

    return write


def load(path, **told):
    before = datetime.now(UTC)
    summary = ingest("yandex", [path], **told)
    assert (summary.rejected, summary.is_failure) == (0, False)
    summary.since = before
    return summary


def rows():
    return [
        list(model.objects.extra(select={"written": "xmin::text"}).order_by("pk").values())
        for model in (Offer, PricePoint, RawPayload)
    ]


def prices(number=1):
    offers = PricePoint.objects.filter(offer__external_id=f"shop:{number}")
    return [int(each.price) for each in offers.order_by("recorded_at")]


class TestATimeThatStandsStill:
    def test_new_content_is_observed_now(self, feed):
        load(feed("2024-01-15 10:00", 500))

        summary = load(feed("2024-01-15 10:00", 600))

        assert prices() == [500, 600]
        assert summary.since <= Offer.objects.get().scraped_at <= datetime.now(UTC)
        [warning] = summary.warnings
        assert "2024-01-15 10:00+05:00 stays the same while the content changes" in warning

    def test_each_further_content_too(self, feed):
        for price in (500, 600, 700, 650):
            load(feed("2024-01-15 10:00", price, price))

        assert prices() == prices(2) == [500, 600, 700, 650]

    def test_the_same_bytes_stay_the_same_observation(self, feed):
        first, second = feed("2024-01-15 10:00", 500), feed("2024-01-15 10:00", 600, name="2.xml")
        for path in (first, second):
            load(path)
        before = rows()

        for path in (first, second, second, first):
            assert load(path).unchanged == 1

        assert rows() == before

    def test_what_is_unchanged_beside_it_is_seen_now(self, feed):
        load(feed("2024-01-15 10:00", 500, 80))

        load(feed("2024-01-15 10:00", 600, 80))

        newest = set(Offer.objects.values_list("last_seen_at", flat=True))
        assert len(newest) == 1
        assert min(newest) > DATE
        assert prices(2) == [80]

    def test_a_time_at_which_known_content_was_seen_again(self, feed):
        load(feed("2024-01-14 10:00", 500))
        load(feed("2024-01-15 10:00", 500))

        assert load(feed("2024-01-15 10:00", 600)).warnings != []
        assert prices() == [500, 600]

    def test_earlier_content_that_comes_back(self, feed):
        load(feed("2024-01-15 10:00", 500))
        load(feed("2024-01-15 10:00", 600))

        summary = load(feed("2024-01-15 10:00", 500, 80))

        assert Offer.objects.get(external_id="shop:1").price == 500
        assert prices() == [500, 600, 500]
        assert summary.since <= Offer.objects.get(external_id="shop:1").scraped_at
        assert len(summary.warnings) == 1

    def test_content_of_another_day_that_comes_back(self, feed):
        load(feed("2024-01-14 10:00", 500))
        for number, price in enumerate((600, 500, 600)):
            load(feed("2024-01-15 10:00", price, *[80] * number))

        assert prices() == [500, 600, 500, 600]

    def test_earlier_content_that_came_back_stays_the_same_observation(self, feed):
        paths = [
            feed("2024-01-15 10:00", *each, name=f"{number}.xml")
            for number, each in enumerate([(500,), (600,), (500, 80)])
        ]
        for path in paths:
            load(path)
        before = rows()

        for path in (*paths, *reversed(paths)):
            load(path)

        assert rows() == before

    def test_an_archive_in_another_form_stays_late(self, feed):
        for day, price in enumerate((500, 600, 500), 14):
            load(feed(f"2024-01-{day} 10:00", price))
        before = rows()

        for day, price in enumerate((500, 600, 500), 14):
            assert load(feed(f"2024-01-{day} 10:00", price, name=f"new-{day}.xml")).warnings == []
            path = feed(f"2024-01-{day} 10:00:00", price)
            assert load(path).warnings == []

        assert rows() == before

    def test_earlier_documents_of_an_api_that_come_back(self):
        for price in (100, 120, 100):
            sku = {"id": 70, "purchasePrice": price, "availableAmount": 1}
            data = {"id": 7, "title": "Choynak", "skuList": [sku]}
            load_documents(
                "uzum", [{"payload": {"data": data}, "timestamp": "2024-01-15T10:00:00"}]
            )

        assert Offer.objects.get().price == 100

    def test_other_things_at_the_same_time_are_no_sign_of_it(self, feed):
        load(feed("2024-01-15 10:00", 500))
        path = feed("2024-01-15 10:00", 500, 80)

        assert load(path).warnings == []
        assert set(Offer.objects.values_list("last_seen_at", flat=True)) == {DATE}

    @pytest.mark.parametrize("size", [1, 10])
    def test_a_file_that_tells_twice_of_a_thing_is_no_sign_of_it(self, feed, settings, size):
        settings.INGEST_BATCH_SIZE = size
        path = feed("2024-01-15 10:00", 500, 600)
        with open(path) as file:
            text = file.read().replace('id="2"', 'id="1"')
        with open(path, "w") as file:
            file.write(text)

        assert load(path).warnings == []
        assert Offer.objects.get().scraped_at == DATE

    def test_a_run_that_is_gone_on_with_keeps_its_time(self, feed, settings):
        settings.INGEST_BATCH_SIZE = 1
        load(feed("2024-01-15 10:00", 500, 80))
        path, seen = feed("2024-01-15 10:00", 600, 90, name="2.xml"), []

        def stop(summary):
            seen.append(summary.read)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            ingest("yandex", [path], progress=stop)
        summary = resume("ecommerce", LoadRun.objects.latest("pk").pk)

        assert (prices(), prices(2)) == ([500, 600], [80, 90])
        assert len(set(Offer.objects.values_list("scraped_at", flat=True))) == 1
        assert len(summary.warnings) == 1

    @pytest.mark.parametrize("at", ["2024-01-15 10:00", "2024-01-16 10:00"])
    def test_a_run_that_is_resumed_does_not_contradict_itself(self, feed, settings, at):
        settings.INGEST_BATCH_SIZE = 1
        load(feed("2024-01-15 10:00", 80))
        path = feed(at, 90 if at > "2024-01-16" else 80, 500, 600, name="2.xml")
        with open(path) as file:
            text = file.read().replace('id="3"', 'id="2"')
        with open(path, "w") as file:
            file.write(text)

        def stop(summary):
            if summary.read == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            ingest("yandex", [path], progress=stop)
        summary = resume("ecommerce", LoadRun.objects.latest("pk").pk)

        assert summary.warnings == []
        newest = datetime.fromisoformat(f"{at}+05:00")
        assert Offer.objects.get(external_id="shop:2").scraped_at == newest

    def test_a_run_that_is_resumed_moves_the_rest_too(self, feed, settings):
        settings.INGEST_BATCH_SIZE = 1
        load(feed("2024-01-15 10:00", 500))
        path = feed("2024-01-15 10:00", 600, 80, name="2.xml")

        def stop(summary):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            ingest("yandex", [path], progress=stop)
        resume("ecommerce", LoadRun.objects.latest("pk").pk)

        assert len(set(Offer.objects.values_list("scraped_at", flat=True))) == 1

    def test_documents_of_an_api(self):
        def visit(price):
            sku = {"id": 70, "purchasePrice": price, "availableAmount": 1}
            data = {"id": 7, "title": "Choynak", "skuList": [sku]}
            return {"payload": {"data": data}, "timestamp": "2024-01-15T10:00:00"}

        for price in (500, 600):
            summary = load_documents("uzum", [visit(price)])

        assert Offer.objects.get().price == 600
        assert len(summary.warnings) == 1


class TestATimeThatIsSaid:
    def test_counts_more_than_that_of_the_payload(self, feed):
        assert load(feed("2024-01-15 10:00", 500), observed_at=SAID).warnings == []

        assert Offer.objects.get().scraped_at == SAID

    def test_makes_the_same_bytes_another_observation(self, feed):
        path = feed("2024-01-15 10:00", 500)
        load(path)

        load(path, observed_at=SAID)

        assert Offer.objects.get().scraped_at == SAID

    def test_counts_for_documents_that_were_loaded_before(self, tmp_path):
        sku = {"id": 70, "purchasePrice": 500, "availableAmount": 1}
        line = {
            "payload": {"data": {"id": 7, "skuList": [sku]}},
            "timestamp": "2024-01-15T10:00:00",
        }
        path = tmp_path / "lines.jsonl"
        path.write_text(f"{json.dumps(line)}\n" * 2)
        ingest("uzum", [str(path)])

        ingest("uzum", [str(path)], observed_at=SAID)

        assert Offer.objects.get().scraped_at == SAID

    def test_counts_more_than_that_of_a_row(self, tmp_path):
        (tmp_path / "map.toml").write_text(
            '[table]\nobserved_at = { column = "t" }\n[product]\nexternal_id = "id"\n'
            '[offer]\nexternal_id = "id"\nprice = "price"\n'
        )
        (tmp_path / "1.csv").write_text("id;price;t\n7;100;2024-01-15 10:00\n")

        ingest(
            "wildberries",
            [str(tmp_path / "1.csv")],
            columns=str(tmp_path / "map.toml"),
            observed_at=SAID,
        )

        assert Offer.objects.get().scraped_at == SAID

    def test_of_the_future_is_refused(self, feed):
        path, at = feed("2024-01-15 10:00", 500), datetime.now(UTC) + timedelta(days=2)

        with pytest.raises(SourceError, match="more than a day in the future"):
            ingest("yandex", [path], observed_at=at)
        with pytest.raises(SourceError, match="more than a day in the future"):
            load_documents("yandex", [], observed_at=at)

        assert not LoadRun.objects.exists()

    def test_of_tomorrow_may_be_a_matter_of_clocks(self, feed):
        at = datetime.now(UTC) + timedelta(hours=20)

        load(feed("2024-01-15 10:00", 500), observed_at=at)

        assert Offer.objects.get().scraped_at == at


class TestATimeInTheFuture:
    def test_is_not_believed(self, feed):
        summary = load(feed("2062-11-30 10:00", 500))

        assert summary.since <= Offer.objects.get().scraped_at <= datetime.now(UTC)
        [warning] = summary.warnings
        assert "2062-11-30 10:00+05:00 lies in the future" in warning

    def test_freezes_nothing(self, feed):
        load(feed("2062-11-30 10:00", 500))
        load(feed("2062-11-30 10:00", 600))

        assert Offer.objects.get().price == 600
        assert prices() == [500, 600]

    def test_of_tomorrow_may_be_a_matter_of_clocks(self, feed):
        at = (datetime.now(UTC) + timedelta(hours=20)).replace(microsecond=0)

        assert load(feed(at.isoformat(), 500)).warnings == []
        assert Offer.objects.get().scraped_at == at

    def test_the_same_bytes_stay_the_same_observation(self, feed):
        path = feed("2062-11-30 10:00", 500)
        load(path)
        before = rows()

        assert load(path).unchanged == 1
        assert rows() == before

    def test_of_rows_and_documents(self, tmp_path):
        (tmp_path / "map.toml").write_text(
            '[table]\nobserved_at = { column = "t" }\n[product]\nexternal_id = "id"\n'
            '[offer]\nexternal_id = "id"\nprice = "price"\n'
        )
        (tmp_path / "1.csv").write_text("id;price;t\n7;100;2062-01-15\n8;100;2063-01-15\n")

        summary = ingest(
            "wildberries", [str(tmp_path / "1.csv")], columns=str(tmp_path / "map.toml")
        )

        assert len(summary.warnings) == 1
        assert Offer.objects.filter(scraped_at__lte=datetime.now(UTC)).count() == 2


class TestATimeThatCannotBeRead:
    def test_is_that_of_the_load_and_warned_of_once(self, feed):
        summary = load(feed("вчера", 500, 600))

        assert summary.since <= Offer.objects.first().scraped_at <= datetime.now(UTC)
        [warning] = summary.warnings
        assert warning.startswith("feed.xml: The time in yml_catalog.date cannot be read: ")

    def test_is_that_which_is_said(self, feed):
        assert load(feed("вчера", 500), observed_at=SAID).warnings == []
        assert Offer.objects.get().scraped_at == SAID

    @pytest.mark.parametrize(
        ("platform", "document"),
        [
            ("uzum", {"payload": {"data": {"id": 7, "skuList": []}}, "timestamp": "вчера"}),
            (
                "ozon",
                {
                    "yml_catalog": {"name": "a", "date": "вчера"},
                    "offer": {"@id": "7", "price": ["5"], "outlets": []},
                },
            ),
            ("uzex", {"items": {"uzex-etender:7": {"last_seen": "вчера"}}}),
        ],
    )
    def test_costs_no_record_on_any_platform(self, platform, document):
        warned = []
        source = Source("a.json", {}, lambda text, kind="": warned.append(text))

        items = list(get_adapter(platform).split(document, source))

        assert [item.observed_at for item in items] == [None]
        assert len(warned) == 1


class TestCases:
    @pytest.mark.parametrize("number", [2, 3, 4, 5])
    def test_dates_of_feeds_in_other_forms(self, number):
        path = payloads.ROOT.parent / "cases" / f"d4-badd{number}.xml"
        if not path.is_file():
            pytest.skip(f"there is no {path}")

        assert load(str(path)).created == 1
