"""Counts and sources of a run, on small payloads."""

import json
from datetime import timedelta

import pytest

from ecommerce.models import Category, LoadRun, Offer, Product
from marketplace.exceptions import SourceError
from marketplace.loading.ingest import ingest
from tests.marketplace.loading.cards import NOON, card, counts, load

pytestmark = pytest.mark.django_db(databases=["ecommerce"])


class TestCounts:
    def test_new_records_are_created(self):
        assert counts(load(card(1), card(2))) == (2, 2, 0, 0, 0)

    def test_a_repeated_record_is_unchanged(self):
        assert counts(load(card(1), card(1))) == (2, 1, 0, 1, 0)

    def test_a_changed_record_is_updated(self):
        load(card(1), card(2))

        summary = load(card(1, title="Boshqa"), card(2), at=NOON + timedelta(hours=1))

        assert counts(summary) == (2, 0, 1, 1, 0)
        assert Product.objects.get(external_id="1").title == "Boshqa"

    def test_the_run_stores_the_counts(self):
        summary = load(card(1), card(2), {"productId": None, "skuList": []})

        run = LoadRun.objects.get(pk=summary.run_id)
        assert (run.read_count, run.created_count, run.rejected_count) == (3, 2, 1)
        assert run.status == LoadRun.Status.COMPLETED
        assert run.sources.get().batch_count == 1
        assert run.finished_at > run.started_at

    def test_the_run_stores_its_newest_time_of_observation(self):
        load(card(1), at=NOON)
        load(card(1, price=900), at=NOON - timedelta(days=1))
        load(card(1), at=NOON + timedelta(days=1))
        load({"productId": None, "skuList": []}, at=NOON + timedelta(days=2))

        times = LoadRun.objects.order_by("pk").values_list("newest_observed_at", flat=True)
        assert list(times) == [
            NOON,
            NOON - timedelta(days=1),
            NOON + timedelta(days=1),
            None,
        ]

    def test_a_run_without_a_loaded_record_fails(self):
        summary = load({"productId": None, "skuList": []})

        run = LoadRun.objects.get(pk=summary.run_id)
        assert run.status == LoadRun.Status.FAILED
        assert run.error == "No record could be loaded (1 read): see the quarantine."

    def test_the_categories_of_a_feed_are_not_counted(self):
        head = {"date": None, "name": "Shop", "company": None, "url": None, "comment": ""}
        offer = {"@id": "1", "name": ["TV"], "price": ["5"], "currencyId": ["KZT"]}
        documents = [{"category": {"@id": "7", "#text": "TV"}}, {"offer": offer}]

        summary = load(*[{"yml_catalog": head, **d} for d in documents], platform="yandex")

        assert counts(summary) == (1, 1, 0, 0, 0)
        assert LoadRun.objects.get(pk=summary.run_id).read_count == 1
        assert Category.objects.get().name == "TV"

    def test_the_next_run_closes_one_whose_process_ended(self):
        dead = LoadRun.objects.create(platform="uzum", source="x", started_at=NOON)
        other = LoadRun.objects.create(platform="ozon", source="x", started_at=NOON)

        load(card(1))

        dead.refresh_from_db()
        other.refresh_from_db()
        assert (dead.status, other.status) == (LoadRun.Status.FAILED, LoadRun.Status.RUNNING)
        assert dead.error.startswith("The process ended before the run finished")


class TestSources:
    def test_a_missing_file_does_not_stop_the_others(self, tmp_path):
        good = tmp_path / "good.json"
        good.write_text(json.dumps([card(1)]))

        summary = ingest("uzum", [str(tmp_path / "absent.json"), str(good)])

        assert summary.created == 1
        assert summary.needs_attention
        assert "absent.json: No such file" in summary.source_errors[0]
        assert LoadRun.objects.get().status == LoadRun.Status.FAILED

    def test_a_mistyped_path_creates_no_run(self):
        with pytest.raises(SourceError, match=r"^Cannot read no\.json: No such file"):
            ingest("uzum", ["no.json"])

        assert not LoadRun.objects.exists()

    def test_a_folder_is_read_file_by_file(self, tmp_path):
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "1.json").write_text(json.dumps(card(1)))
        (tmp_path / "2.json").write_text(json.dumps(card(2)))
        (tmp_path / ".hidden").write_text("no")

        assert ingest("uzum", [str(tmp_path)]).created == 2

    def test_the_same_file_keeps_its_time_of_observation(self, tmp_path):
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
