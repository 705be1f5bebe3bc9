"""Releasing and discarding at the same time, again after an interruption, and in steps."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from ecommerce.models import LoadRun, Product, QuarantinedRecord
from marketplace.exceptions import MarketplaceError
from marketplace.loading.review import records as review
from marketplace.loading.review.entries import Selection
from marketplace.loading.writer import Writer
from tests.marketplace.commands.review_rows import card, held_run, quarantined_card
from tests.marketplace.loading.reviewing import release_records


def act(selection, action):
    """Apply an action with a connection of its own; return the text of the result or error."""
    try:
        return review.get_kind(selection.alias, selection.kind).act(action, selection).text
    except MarketplaceError as error:
        return str(error)
    finally:
        connections.close_all()


@pytest.mark.django_db(databases=["ecommerce"], transaction=True)
class TestConcurrency:
    def both(self, selection):
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(act, [selection] * 2, ["release", "discard"]))

    @pytest.mark.parametrize("attempt", range(3))
    def test_run_is_either_released_or_discarded(self, attempt):
        held = held_run(*map(card, range(1, 30)))

        released, discarded = self.both(Selection("run", "ecommerce", "uzum", (held.pk,)))

        held.refresh_from_db()
        is_loaded = released.startswith("Released 29 records")
        assert discarded.startswith("Discarded 29 records") == (not is_loaded)
        assert held.status == ("completed" if is_loaded else "discarded")
        assert Product.objects.count() == (29 if is_loaded else 0)
        assert not held.chunks.exists()

    def test_records_leave_the_quarantine_without_an_error(self):
        for number in range(1, 30):
            quarantined_card(number)

        released, discarded = self.both(Selection("record", "ecommerce", "uzum"))

        assert released.startswith("Released ")
        assert discarded.startswith("Discarded ")
        assert not QuarantinedRecord.objects.exists()


@pytest.mark.django_db(databases=["ecommerce"])
class TestRecords:
    def test_are_released_in_steps(self, monkeypatch):
        monkeypatch.setattr(review, "_STEP", 2)
        bad = [quarantined_card(number, price="дорого").pk for number in range(10, 15)]
        for number in range(1, 6):
            quarantined_card(number)

        result = release_records("uzum")

        assert result.text == "Released 5 records of uzum; 5 failed again."
        (reason, _) = result.problems
        assert reason.startswith("failed 5: minSellPrice: ")
        assert reason.endswith(f"(record uzum-{bad[0]} uzum-{bad[1]} uzum-{bad[2]} …)")
        assert LoadRun.objects.filter(source="quarantine").count() == 5
        assert list(QuarantinedRecord.objects.order_by("pk").values_list("pk", flat=True)) == bad

    def test_interrupted_release_is_repeated(self, monkeypatch):
        quarantined_card(1)
        with monkeypatch.context() as context, pytest.raises(KeyboardInterrupt):
            context.setattr(Writer, "take", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            release_records("uzum")
        assert QuarantinedRecord.objects.exists()

        assert release_records("uzum").text == "Released 1 record of uzum."
        assert Product.objects.get().external_id == "1"
        assert not QuarantinedRecord.objects.exists()
