"""`ingest_review` releases, discards and restores rows that wait for review."""

from decimal import Decimal

import orjson
import pytest

from classifieds.models import Listing
from classifieds.models import QuarantinedRecord as ListingQuarantine
from ecommerce.models import LoadRun, Offer, PricePoint, Product, QuarantinedRecord
from marketplace.loading.ingest import load_documents
from tests import factories
from tests.commands import run
from tests.marketplace.commands.review_rows import CAUSE, NOON, card, held_run, outlier

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds", "procurement"])


@pytest.fixture
def answer(monkeypatch):
    """Return a function that sets the answer to the next question."""

    def answer(text):
        monkeypatch.setattr("builtins.input", lambda: text)

    return answer


class TestReleaseRuns:
    def test_loads_held_records_at_their_own_time(self):
        held = held_run(card(1), card(2), card(3, price=None))
        load_documents("uzum", [card(2, price=5)], observed_at=NOON.replace(hour=15))

        outcome = run("ingest_review", "release", "run", f"uzum-{held.pk}")

        held.refresh_from_db()
        assert outcome.out == (
            f"Released 3 records of run uzum-{held.pk}: created 2, updated 0, unchanged 1, "
            "rejected 0, price points 2.\n"
        )
        assert (outcome.err, outcome.code) == ("", 0)
        assert (held.status, held.error, held.chunks.count()) == ("completed", "", 0)
        assert Product.objects.get(external_id="1").last_seen_at == NOON
        assert Offer.objects.get(external_id="20").price == Decimal(5)

    def test_several(self):
        held = [held_run(card(1)), held_run(card(2))]
        names = [f"uzum-{row.pk}" for row in held]

        outcome = run("ingest_review", "release", "run", *names, names[0])

        assert outcome.out.count("Released 1 record of run ") == 2
        assert Product.objects.count() == 2

    def test_releases_the_others_if_one_holds_nothing(self):
        completed, held = factories.load_run("ecommerce", platform="uzum"), held_run(card(2))

        outcome = run("ingest_review", "release", "run", f"uzum-{completed.pk}", f"uzum-{held.pk}")

        assert outcome.err == (
            f"Run uzum-{completed.pk} has no records to release or discard: "
            "its status is completed.\n"
            "CommandError: 1 of 2 failed. See the reasons above.\n"
        )
        assert Product.objects.count() == 1

    def test_shows_the_next_step_of_a_failed_run_without_records(self):
        failed = factories.load_run("ecommerce", platform="uzum", status="failed")

        err = run("ingest_review", "release", "run", f"uzum-{failed.pk}").err

        assert (
            f"Run uzum-{failed.pk} has no records to release or discard: "
            "its status is failed. Load its sources again.\n" in err
        )

    def test_a_dry_run_does_nothing(self):
        held = held_run(card(1))

        outcome = run("ingest_review", "release", "run", f"uzum-{held.pk}", "--dry-run")

        assert outcome.out == f"Would release 1 record of run uzum-{held.pk}.\n"
        assert LoadRun.objects.get(pk=held.pk).status == "held"
        assert not Product.objects.exists()

    def test_records_that_cannot_be_loaded_go_to_quarantine(self):
        held = held_run(card(1), card(None))

        outcome = run("ingest_review", "release", "run", f"uzum-{held.pk}")

        assert "created 1, updated 0, unchanged 0, rejected 1" in outcome.out
        assert QuarantinedRecord.objects.get().field == "productId"


class TestDiscardRuns:
    def test_deletes_held_records(self):
        held = held_run(card(1), card(2), card(3))

        outcome = run("ingest_review", "discard", "run", "--force", f"uzum-{held.pk}")

        held.refresh_from_db()
        assert outcome == (f"Discarded 3 records of run uzum-{held.pk}.\n", "", 0)
        assert (held.status, held.error, held.chunks.count()) == ("discarded", CAUSE, 0)
        assert not Product.objects.exists()

    def test_asks_for_confirmation(self, answer):
        held = held_run(card(1))
        name = f"uzum-{held.pk}"

        answer("no")
        refused = run("ingest_review", "discard", "run", name)
        answer(name)
        confirmed = run("ingest_review", "discard", "run", name)

        assert refused.err == (
            f"This discards 1 record of run {name}. Type {name} to continue: "
            "CommandError: Not confirmed: no changes were made.\n"
        )
        assert confirmed.out == f"Discarded 1 record of run {name}.\n"

    def test_a_dry_run_does_nothing(self):
        held = held_run(card(1))

        outcome = run("ingest_review", "discard", "run", f"uzum-{held.pk}", "--dry-run")

        assert outcome == (f"Would discard 1 record of run uzum-{held.pk}.\n", "", 0)
        assert held.chunks.count() == 1

    def test_a_discarded_run_cannot_be_released(self):
        held = held_run(card(1))
        run("ingest_review", "discard", "run", "--force", f"uzum-{held.pk}")

        outcome = run("ingest_review", "release", "run", f"uzum-{held.pk}")

        assert (
            f"Run uzum-{held.pk} has no records to release or discard: its status is discarded.\n"
            in outcome.err
        )


class TestRecords:
    @pytest.fixture
    def records(self):
        """Create quarantined cards. The current adapter can read all but the last."""
        cards = [card(1), card(2), card(None)]
        return [
            factories.quarantined(
                "ecommerce",
                orjson.dumps(payload),
                platform="uzum",
                shape="UZ-GQL-CARD",
                reason=f"is odd: {number}",
                observed_at=NOON,
            )
            for number, payload in enumerate(cards)
        ]

    def test_a_released_record_is_loaded_at_its_own_time(self, records):
        outcome = run("ingest_review", "release", "record", f"uzum-{records[0].pk}")

        assert outcome == ("Released 1 record of uzum.\n", "", 0)
        assert Product.objects.get().last_seen_at == NOON
        assert QuarantinedRecord.objects.count() == 2

    def test_a_record_that_fails_again_has_its_new_reason(self, records):
        outcome = run("ingest_review", "release", "records", "--platform", "uzum")

        remaining = QuarantinedRecord.objects.get()
        assert outcome.out == "Released 2 records of uzum; 1 failed again.\n"
        assert outcome.err == (
            f"failed 1: productId: is missing (record uzum-{records[2].pk})\n"
            "Load the corrected source, then discard the record: python manage.py ingest_review "
            f"discard record uzum-{records[2].pk}\n"
            "CommandError: 1 of 1 failed. See the reasons above.\n"
        )
        assert outcome.code == 1
        assert Product.objects.count() == 2
        assert (remaining.pk, remaining.field, remaining.reason) == (
            records[2].pk,
            "productId",
            "is missing",
        )

    @pytest.mark.parametrize("raw", [b'Zolla,"T-"shirt,500', b'{"productId": 1, "title": "lon'])
    def test_damaged_text_keeps_its_reason(self, raw):
        record = factories.quarantined(
            "ecommerce", raw, platform="uzum", shape="", field="", reason="is not CSV: odd"
        )

        outcome = run("ingest_review", "release", "record", f"uzum-{record.pk}")

        remaining = QuarantinedRecord.objects.get()
        assert outcome.out == "Released 0 records of uzum; 1 failed again.\n"
        assert (remaining.pk, remaining.reason) == (record.pk, "is not CSV: odd")

    def test_by_reason(self, records):
        outcome = run("ingest_review", "release", "records", "--reason", "price: is ODD: 1")

        assert outcome == ("Released 1 record of ecommerce.\n", "", 0)
        assert Product.objects.get().external_id == "2"

    def test_by_reason_in_every_database(self, records):
        factories.quarantined("classifieds", b"{}", reason="is odd: 9")

        outcome = run("ingest_review", "discard", "records", "--reason", "is odd", "--force")

        assert outcome.out == (
            "Discarded 3 records of ecommerce.\nDiscarded 1 record of classifieds.\n"
        )
        assert not QuarantinedRecord.objects.exists()
        assert not ListingQuarantine.objects.exists()

    def test_of_two_databases_by_number(self, records):
        listing = factories.quarantined("classifieds", b"{}")
        names = [f"olx-{listing.pk}", f"uzum-{records[1].pk}", f"uzum-{records[0].pk}"]

        outcome = run("ingest_review", "discard", "record", *names, "--force")

        assert outcome.out == "Discarded 1 record of olx.\nDiscarded 2 records of uzum.\n"
        assert QuarantinedRecord.objects.get().pk == records[2].pk

    def test_asks_for_confirmation(self, records, answer):
        answer("uzum")

        outcome = run("ingest_review", "discard", "records", "--platform=uzum")

        assert "This discards 3 records of uzum. Type uzum to continue: " in outcome.err
        assert outcome.out == "Discarded 3 records of uzum.\n"

    @pytest.mark.parametrize("action", ["release", "discard"])
    def test_a_dry_run_does_nothing(self, records, action):
        outcome = run("ingest_review", action, "records", "--platform=uzum", "--dry-run")

        assert outcome == (f"Would {action} 3 records of uzum.\n", "", 0)
        assert QuarantinedRecord.objects.count() == 3
        assert not Product.objects.exists()

    def test_a_late_record_is_inserted_into_the_history(self, records):
        load_documents("uzum", [card(1, price=5)], observed_at=NOON.replace(hour=15))

        run("ingest_review", "release", "record", f"uzum-{records[0].pk}")

        offer = Offer.objects.get()
        prices = offer.price_points.order_by("recorded_at").values_list("price", "price_change")
        assert offer.price == Decimal(5)
        assert list(prices) == [(1000, None), (5, -995)]


class TestOutliers:
    def test_are_released_and_restored(self):
        points = [outlier(1), outlier(2)]
        names = [f"ecommerce-{points[0].pk}", f"uzum-{points[1].pk}"]

        released = run("ingest_review", "release", "outlier", *names)

        assert released.out == "".join(f"Released outlier {name}.\n" for name in names)
        assert set(PricePoint.objects.values_list("is_outlier", flat=True)) == {False}

        restored = run("ingest_review", "restore", "outlier", names[0])

        assert restored == (f"Restored outlier {names[0]}.\n", "", 0)
        assert PricePoint.objects.get(pk=points[0].pk).is_outlier

    def test_a_dry_run_does_nothing(self):
        name = f"ecommerce-{outlier().pk}"

        outcome = run("ingest_review", "release", "outlier", name, "--dry-run")

        assert outcome.out == f"Would release outlier {name}.\n"
        assert PricePoint.objects.get().is_outlier

    def test_a_price_that_is_not_marked(self):
        unmarked, marked = outlier(1, is_outlier=None), outlier(2)

        outcome = run(
            "ingest_review", "release", "outlier", f"uzum-{unmarked.pk}", f"uzum-{marked.pk}"
        )

        assert outcome.out == f"Released outlier uzum-{marked.pk}.\n"
        assert outcome.err.startswith(f"Price point {unmarked.pk} is not marked as an outlier.")
        assert outcome.code == 1

    def test_a_database_that_marks_no_prices(self):
        outcome = run("ingest_review", "release", "outlier", "olx-7")

        assert outcome.err.startswith("classifieds does not mark prices as outliers.\n")


class TestMistakes:
    @pytest.mark.parametrize("name", ["17", "uzum", "uzum-", "uzum-x", "amazon-17", "uzum--17"])
    def test_an_invalid_id(self, name):
        outcome = run("ingest_review", "release", "run", name)

        assert outcome.err.startswith(
            f'CommandError: "{name}" is not a valid address. Write PLATFORM-NUMBER,'
        )

    def test_a_run_that_does_not_exist(self):
        run_of_ozon = held_run(card(1), platform="ozon")

        outcome = run("ingest_review", "show", "run", f"uzum-{run_of_ozon.pk}")

        assert outcome.err == (
            f"CommandError: The run uzum-{run_of_ozon.pk} does not exist. "
            "See: ingest_review list.\n"
        )

    def test_a_record_that_does_not_exist(self):
        record = factories.quarantined("classifieds", b"{}")

        outcome = run(
            "ingest_review", "discard", "record", f"olx-{record.pk}", "olx-999999", "--force"
        )

        assert outcome.err.startswith(
            "CommandError: The quarantined record olx-999999 does not exist."
        )
        assert ListingQuarantine.objects.exists()

    def test_all_records_of_all_platforms(self):
        factories.quarantined("classifieds", b"{}")

        outcome = run("ingest_review", "discard", "records", "--force")

        assert outcome.err.startswith("CommandError: Choose the records: --reason TEXT,")
        assert ListingQuarantine.objects.exists()

    def test_a_reason_that_no_record_has(self):
        outcome = run("ingest_review", "release", "records", "--reason", "nothing")

        assert outcome.err.startswith("CommandError: No quarantined record matches.")

    def test_the_list_does_not_change_rows(self):
        listing = factories.listing()

        run("ingest_review", "list")

        assert Listing.objects.get() == listing
