"""The time of an observation: stated by the user, or in its document, or that of the load."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from ecommerce.models import LoadRun, Offer
from marketplace.exceptions import SourceError
from marketplace.loading.adapters import Source, get_adapter
from marketplace.loading.ingest import ingest, load_documents
from tests.marketplace.loading.dated_feeds import load, prices, rows, write_feed

pytestmark = pytest.mark.django_db(databases=["ecommerce"])

STATED = datetime(2026, 5, 1, 9, tzinfo=UTC)


@pytest.fixture
def feed(tmp_path):
    return partial(write_feed, tmp_path)


class TestStatedTime:
    def test_replaces_the_time_of_a_payload(self, feed):
        assert load(feed("2024-01-15 10:00", 500), observed_at=STATED).warnings == []

        assert Offer.objects.get().scraped_at == STATED

    def test_makes_the_same_bytes_another_observation(self, feed):
        path = feed("2024-01-15 10:00", 500)
        load(path)

        load(path, observed_at=STATED)

        assert Offer.objects.get().scraped_at == STATED

    def test_counts_for_documents_that_were_loaded_before(self, tmp_path):
        sku = {"id": 70, "purchasePrice": 500, "availableAmount": 1}
        line = {
            "payload": {"data": {"id": 7, "skuList": [sku]}},
            "timestamp": "2024-01-15T10:00:00",
        }
        path = tmp_path / "lines.jsonl"
        path.write_text(f"{json.dumps(line)}\n" * 2)
        ingest("uzum", [str(path)])

        ingest("uzum", [str(path)], observed_at=STATED)

        assert Offer.objects.get().scraped_at == STATED

    def test_replaces_the_time_of_a_row(self, tmp_path):
        (tmp_path / "map.toml").write_text(
            '[table]\nobserved_at = { column = "t" }\n[product]\nexternal_id = "id"\n'
            '[offer]\nexternal_id = "id"\nprice = "price"\n'
        )
        (tmp_path / "1.csv").write_text("id;price;t\n7;100;2024-01-15 10:00\n")

        ingest(
            "wildberries",
            [str(tmp_path / "1.csv")],
            columns=str(tmp_path / "map.toml"),
            observed_at=STATED,
        )

        assert Offer.objects.get().scraped_at == STATED

    def test_of_the_future_is_refused(self, feed):
        path, at = feed("2024-01-15 10:00", 500), datetime.now(UTC) + timedelta(days=2)

        with pytest.raises(SourceError, match="more than a day in the future"):
            ingest("yandex", [path], observed_at=at)
        with pytest.raises(SourceError, match="more than a day in the future"):
            load_documents("yandex", [], observed_at=at)

        assert not LoadRun.objects.exists()

    def test_of_less_than_a_day_is_accepted(self, feed):
        at = datetime.now(UTC) + timedelta(hours=20)

        load(feed("2024-01-15 10:00", 500), observed_at=at)

        assert Offer.objects.get().scraped_at == at


class TestFutureTime:
    def test_does_not_count(self, feed):
        summary = load(feed("2062-11-30 10:00", 500))

        assert summary.since <= Offer.objects.get().scraped_at <= datetime.now(UTC)
        [warning] = summary.warnings
        assert "2062-11-30 10:00+05:00 is in the future" in warning

    def test_does_not_prevent_later_changes(self, feed):
        load(feed("2062-11-30 10:00", 500))
        load(feed("2062-11-30 10:00", 600))

        assert Offer.objects.get().price == 600
        assert prices() == [500, 600]

    def test_of_less_than_a_day_is_accepted(self, feed):
        at = (datetime.now(UTC) + timedelta(hours=20)).replace(microsecond=0)

        assert load(feed(at.isoformat(), 500)).warnings == []
        assert Offer.objects.get().scraped_at == at

    def test_the_same_bytes_are_the_same_observation(self, feed):
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


class TestUnreadableTime:
    def test_is_replaced_by_that_of_the_load_with_one_warning(self, feed):
        summary = load(feed("вчера", 500, 600))

        assert summary.since <= Offer.objects.first().scraped_at <= datetime.now(UTC)
        [warning] = summary.warnings
        assert warning.startswith("feed.xml: The time in yml_catalog.date cannot be read: ")

    def test_is_replaced_by_the_stated_time(self, feed):
        assert load(feed("вчера", 500), observed_at=STATED).warnings == []
        assert Offer.objects.get().scraped_at == STATED

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
    def test_rejects_no_record_of_any_platform(self, platform, document):
        warnings = []
        source = Source("a.json", {}, lambda text, kind="": warnings.append(text))

        items = list(get_adapter(platform).split(document, source))

        assert [item.observed_at for item in items] == [None]
        assert len(warnings) == 1
