"""`ingest_review` releases, discards and restores rows that wait for review."""

from decimal import Decimal

import pytest

from classifieds.models import QuarantinedRecord as ListingQuarantine
from ecommerce.models import Offer, PricePoint, Product, QuarantinedRecord
from marketplace.loading.ingest import load_documents
from tests import factories
from tests.commands import run
from tests.marketplace.commands.review_rows import (
    KINDS,
    NOON,
    card,
    held_run,
    is_waiting,
    outlier,
    quarantined_card,
)

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds", "procurement"])

#: Kind → the words about a row in messages.
LABELS = {
    "run": "1 record of run uzum-{}",
    "record": "1 record of uzum",
    "outlier": "outlier uzum-{}",
}


@pytest.fixture
def answer(monkeypatch):
    """Return a function that sets the answer to the next question."""
    return lambda text: monkeypatch.setattr("builtins.input", lambda: text)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def row(kind):
    return KINDS[kind]()


@pytest.fixture
def label(kind, row):
    return LABELS[kind].format(row.pk)


class TestEachKind:
    def test_is_released(self, kind, row, label):
        outcome = run("ingest_review", "release", kind, f"uzum-{row.pk}")

        assert outcome.out.startswith(f"Released {label}")
        assert (outcome.err, outcome.code) == ("", 0)
        assert not is_waiting(kind)
        assert Product.objects.filter(external_id="1").exists() == (kind != "outlier")

    def test_is_discarded_after_confirmation(self, kind, row, label, answer):
        words = ("ingest_review", "discard", kind, f"uzum-{row.pk}")
        name = "uzum" if kind == "record" else f"uzum-{row.pk}"
        question = f"This discards {label}. Type {name} to continue: "
        if kind == "outlier":
            assert run(*words).err.startswith("An outlier stays in the price history, but is ")
            return

        answer("no")
        refused = run(*words)
        assert refused.err == f"{question}CommandError: Not confirmed: no changes were made.\n"
        assert is_waiting(kind)
        answer(name)
        assert run(*words).out == f"Discarded {label}.\n"
        assert not is_waiting(kind)
        assert not Product.objects.exists()

    @pytest.mark.parametrize("action", ["release", "discard"])
    def test_dry_run_does_nothing(self, kind, row, label, action):
        outcome = run("ingest_review", action, kind, f"uzum-{row.pk}", "--dry-run")

        if (kind, action) != ("outlier", "discard"):
            assert outcome == (f"Would {action} {label}.\n", "", 0)
        assert is_waiting(kind)
        assert not Product.objects.filter(external_id="1").exists()

    def test_others_are_released_if_one_fails(self, kind):
        bad = {
            "run": lambda: factories.load_run("ecommerce", platform="uzum"),
            "record": lambda: quarantined_card(None, platform="ozon"),
            "outlier": lambda: outlier(3, is_outlier=None),
        }[kind]()
        row = KINDS[kind]()
        platform = "ozon" if kind == "record" else "uzum"

        outcome = run("ingest_review", "release", kind, f"{platform}-{bad.pk}", f"uzum-{row.pk}")

        assert f"Released {LABELS[kind].format(row.pk)}" in outcome.out
        assert outcome.err.endswith("CommandError: 1 of 2 failed. See the reasons above.\n")
        assert outcome.code == 1

    def test_that_does_not_exist(self, kind):
        word = "The price point" if kind == "outlier" else f"The {kind}"

        outcome = run("ingest_review", "release", kind, "uzum-999999")

        assert word in outcome.err
        assert "does not exist" in outcome.err
        assert outcome.code == 1


class TestRuns:
    def test_held_records_are_loaded_at_their_own_time(self):
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

    def test_shows_the_next_step_of_a_failed_run_without_records(self):
        failed = factories.load_run("ecommerce", platform="uzum", status="failed")

        err = run("ingest_review", "release", "run", f"uzum-{failed.pk}").err

        assert (
            f"Run uzum-{failed.pk} has no records to release or discard: "
            "its status is failed. Load its sources again.\n" in err
        )

    def test_records_that_cannot_be_loaded_go_to_quarantine(self):
        held = held_run(card(1), card(None))

        outcome = run("ingest_review", "release", "run", f"uzum-{held.pk}")

        assert "created 1, updated 0, unchanged 0, rejected 1" in outcome.out
        assert QuarantinedRecord.objects.get().field == "productId"


class TestRecords:
    @pytest.fixture
    def records(self):
        """Create quarantined cards. The current adapter can read all but the last."""
        return [
            quarantined_card(number, reason=f"is odd: {place}")
            for place, number in enumerate((1, 2, None))
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

    def test_by_reason_in_every_database(self, records):
        factories.quarantined("classifieds", b"{}", reason="is odd: 9")

        outcome = run("ingest_review", "discard", "records", "--reason", "IS odd", "--force")

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


class TestMistakes:
    @pytest.mark.parametrize("name", ["17", "uzum", "uzum-", "uzum-x", "amazon-17", "uzum--17"])
    def test_an_invalid_id(self, name):
        outcome = run("ingest_review", "release", "run", name)

        assert outcome.err.startswith(
            f'CommandError: "{name}" is not a valid id. Write PLATFORM-NUMBER,'
        )

    def test_all_records_of_all_platforms(self):
        factories.quarantined("classifieds", b"{}")

        outcome = run("ingest_review", "discard", "records", "--force")

        assert outcome.err.startswith("CommandError: Choose the records: --reason TEXT,")
        assert ListingQuarantine.objects.exists()

    def test_a_reason_that_no_record_has(self):
        outcome = run("ingest_review", "release", "records", "--reason", "nothing")

        assert outcome.err.startswith("CommandError: No quarantined record matches.")
