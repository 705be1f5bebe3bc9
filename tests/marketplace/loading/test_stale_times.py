"""Stale times: a document's time does not count if it stays the same while the content changes."""

from datetime import UTC, datetime
from functools import partial

import pytest

from ecommerce.models import LoadRun, Offer
from marketplace.loading.ingest import ingest, load_documents, resume
from tests.marketplace.loading.dated_feeds import DATE, load, prices, rows, write_feed

pytestmark = pytest.mark.django_db(databases=["ecommerce"])


@pytest.fixture
def feed(tmp_path):
    return partial(write_feed, tmp_path)


class TestStaleTime:
    def test_new_content_is_observed_now(self, feed):
        load(feed("2024-01-15 10:00", 500))

        summary = load(feed("2024-01-15 10:00", 600))

        assert prices() == [500, 600]
        assert summary.since <= Offer.objects.get().scraped_at <= datetime.now(UTC)
        [warning] = summary.warnings
        assert "2024-01-15 10:00+05:00 stays the same while the content changes" in warning

    def test_each_further_content_is_observed_at_its_load(self, feed):
        for price in (500, 600, 700, 650):
            load(feed("2024-01-15 10:00", price, price))

        assert prices() == prices(2) == [500, 600, 700, 650]

    def test_the_same_bytes_are_the_same_observation(self, feed):
        first, second = feed("2024-01-15 10:00", 500), feed("2024-01-15 10:00", 600, name="2.xml")
        for path in (first, second):
            load(path)
        before = rows()

        for path in (first, second, second, first):
            assert load(path).unchanged == 1

        assert rows() == before

    def test_unchanged_items_of_the_document_are_seen_now(self, feed):
        load(feed("2024-01-15 10:00", 500, 80))

        load(feed("2024-01-15 10:00", 600, 80))

        newest = set(Offer.objects.values_list("last_seen_at", flat=True))
        assert len(newest) == 1
        assert min(newest) > DATE
        assert prices(2) == [80]

    def test_a_time_at_which_stored_content_was_seen_again(self, feed):
        load(feed("2024-01-14 10:00", 500))
        load(feed("2024-01-15 10:00", 500))

        assert load(feed("2024-01-15 10:00", 600)).warnings != []
        assert prices() == [500, 600]

    def test_earlier_content_that_returns(self, feed):
        load(feed("2024-01-15 10:00", 500))
        load(feed("2024-01-15 10:00", 600))

        summary = load(feed("2024-01-15 10:00", 500, 80))

        assert Offer.objects.get(external_id="shop:1").price == 500
        assert prices() == [500, 600, 500]
        assert summary.since <= Offer.objects.get(external_id="shop:1").scraped_at
        assert len(summary.warnings) == 1

    def test_content_of_another_day_that_returns(self, feed):
        load(feed("2024-01-14 10:00", 500))
        for number, price in enumerate((600, 500, 600)):
            load(feed("2024-01-15 10:00", price, *[80] * number))

        assert prices() == [500, 600, 500, 600]

    def test_earlier_content_that_returned_is_the_same_observation(self, feed):
        paths = [
            feed("2024-01-15 10:00", *contents, name=f"{number}.xml")
            for number, contents in enumerate([(500,), (600,), (500, 80)])
        ]
        for path in paths:
            load(path)
        before = rows()

        for path in (*paths, *reversed(paths)):
            load(path)

        assert rows() == before

    def test_an_archive_in_another_format_is_a_late_arrival(self, feed):
        for day, price in enumerate((500, 600, 500), 14):
            load(feed(f"2024-01-{day} 10:00", price))
        before = rows()

        for day, price in enumerate((500, 600, 500), 14):
            assert load(feed(f"2024-01-{day} 10:00", price, name=f"new-{day}.xml")).warnings == []
            path = feed(f"2024-01-{day} 10:00:00", price)
            assert load(path).warnings == []

        assert rows() == before

    def test_earlier_documents_of_an_api_that_return(self):
        for price in (100, 120, 100):
            sku = {"id": 70, "purchasePrice": price, "availableAmount": 1}
            data = {"id": 7, "title": "Choynak", "skuList": [sku]}
            load_documents(
                "uzum", [{"payload": {"data": data}, "timestamp": "2024-01-15T10:00:00"}]
            )

        assert Offer.objects.get().price == 100

    def test_other_items_with_the_same_time_do_not_make_it_stale(self, feed):
        load(feed("2024-01-15 10:00", 500))
        path = feed("2024-01-15 10:00", 500, 80)

        assert load(path).warnings == []
        assert set(Offer.objects.values_list("last_seen_at", flat=True)) == {DATE}

    @pytest.mark.parametrize("size", [1, 10])
    def test_two_items_with_the_same_id_do_not_make_it_stale(self, feed, settings, size):
        settings.INGEST_BATCH_SIZE = size
        path = feed("2024-01-15 10:00", 500, 600)
        with open(path) as file:
            text = file.read().replace('id="2"', 'id="1"')
        with open(path, "w") as file:
            file.write(text)

        assert load(path).warnings == []
        assert Offer.objects.get().scraped_at == DATE

    def test_a_resumed_run_keeps_its_time(self, feed, settings):
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
    def test_a_resumed_run_does_not_make_its_own_time_stale(self, feed, settings, at):
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

    def test_a_resumed_run_replaces_the_time_of_the_rest(self, feed, settings):
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
