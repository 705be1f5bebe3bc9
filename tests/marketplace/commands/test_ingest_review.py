"""`ingest_review` shows what waits for a person, and does what the person says."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal

import orjson
import pytest

from classifieds.models import Listing
from classifieds.models import QuarantinedRecord as ListingQuarantine
from ecommerce.models import LoadChunk, LoadRun, Offer, PricePoint, Product, QuarantinedRecord
from marketplace.loading import chunks
from marketplace.loading.ingest import load_documents
from tests import factories
from tests.commands import run

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds", "procurement"])

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
CAUSE = "price is missing in 97% of 1,000 records of UZ-GQL-CARD (usually 2%, limit 22%)"


def card(number, price=1000, **overrides):
    sku = {"id": (number or 0) * 10, "sellPrice": price}
    told = {"productId": number, "title": f"Choynak {number}", "minSellPrice": price}
    return told | {"skuList": [sku]} | overrides


def held_run(*cards, platform="uzum", **overrides):
    """Make a run of which a gate holds some cards."""
    values = {"status": "held", "error": CAUSE, "held_count": len(cards), "finished_at": NOON}
    held = factories.load_run("ecommerce", platform=platform, **values | overrides)
    lines = [
        {
            "shape": "UZ-GQL-CARD",
            "payload": told,
            "context": {},
            "is_counted": True,
            "observed_at": NOON.isoformat(),
            "place": f"line {number}",
            "source": "cards.jsonl",
        }
        for number, told in enumerate(cards, 1)
    ]
    for number in range(0, len(lines), 2):
        body = chunks.pack([orjson.dumps(line) for line in lines[number : number + 2]])
        LoadChunk.objects.create(run=held, is_held=True, sequence=number // 2 + 1, body=body)
    return held


@pytest.fixture
def answer(monkeypatch):
    """Answer the next question."""

    def answer(text):
        monkeypatch.setattr("builtins.input", lambda: text)

    return answer


def outlier(hour=1, is_outlier=True, **overrides):
    """Make a price of an offer that was a tenth of the one before."""
    return factories.price_point(
        offer=factories.offer(external_id=f"o{hour}"),
        price=Decimal(100),
        price_change=Decimal(-900),
        recorded_at=NOON.replace(hour=hour),
        is_outlier=is_outlier,
        **overrides,
    )


class TestList:
    def test_tells_what_waits_and_why(self):
        older, newer = outlier(1), outlier(2)
        held = held_run(card(1), card(2), source="cards.jsonl", error=f"{CAUSE}\nanother cause")
        records = [
            factories.quarantined("classifieds", b"{%d}" % number, platform="olx")
            for number in range(5)
        ]
        other = factories.quarantined("classifieds", b"x", reason="is not JSON", field="")
        price = "100.00 after 1,000.00 UZS of offer"
        newest = " ".join(f"olx-{each.pk}" for each in records[:1:-1])

        assert run("ingest_review", "list") == (
            "ECOMMERCE - B2C e-commerce platforms\n"
            "   Held runs: 1\n"
            f"      run uzum-{held.pk}: 2 records of cards.jsonl, since 2026-11-20 17:00\n"
            f"         {CAUSE}\n"
            "         another cause\n"
            "   Quarantine: 0\n"
            "   Outliers: 2\n"
            f"      outlier uzum-{newer.pk}: {price} o2, 2026-11-20 07:00\n"
            f"      outlier uzum-{older.pk}: {price} o1, 2026-11-20 06:00\n"
            "CLASSIFIEDS - C2C classifieds platforms\n"
            "   Held runs: 0\n"
            "   Quarantine: 6\n"
            f"      olx 5: price: is not a number: 'bepul' (record {newest})\n"
            f"      olx 1: is not JSON (record olx-{other.pk})\n"
            "PROCUREMENT - B2B government procurement\n"
            "   Held runs: 0\n"
            "   Quarantine: 0\n",
            "",
            0,
        )

    def test_tells_of_one_platform(self):
        held_run(card(1), platform="ozon")
        held_run(card(2))
        factories.quarantined("ecommerce", b"1", platform="ozon")
        factories.quarantined("ecommerce", b"2", platform="uzum")

        out = run("ingest_review", "list", "--platform=uzum").out

        assert "Held runs: 1\n      run uzum-" in out
        assert "Quarantine: 1\n      uzum 1: " in out
        assert "ozon" not in out
        assert "CLASSIFIEDS" not in out

    def test_tells_the_most_frequent_reasons_unless_told_otherwise(self):
        for number in range(23):
            reason = f"{number:02} is odd"
            factories.quarantined("ecommerce", b"%d" % number, platform="uzum", reason=reason)
        arguments = ("ingest_review", "list", "--database=ecommerce")

        short, full = run(*arguments).out, run(*arguments, "--all").out

        assert short.count("is odd") == 20
        assert "      3 for other reasons; --all lists them\n" in short
        assert full.count("is odd") == 23
        assert "other reasons" not in full

    def test_all_names_every_record(self):
        pks = [factories.quarantined("ecommerce", b"%d" % n).pk for n in range(5)]

        out = run("ingest_review", "list", "--all", "--database=ecommerce").out

        assert all(f"olx-{pk}" in out for pk in pks)

    def test_tells_the_same_to_a_program(self):
        held, marked = held_run(card(1)), outlier()
        record = factories.quarantined("ecommerce", b"1", platform="uzum")

        told = json.loads(run("ingest_review", "list", "--format=json").out)

        assert [each["alias"] for each in told] == ["ecommerce", "classifieds", "procurement"]
        assert told[0]["runs"][0]["id"] == f"uzum-{held.pk}"
        assert told[0]["runs"][0]["causes"] == [CAUSE]
        assert told[0]["groups"] == [
            {
                "platform": "uzum",
                "reason": "price: is not a number: 'bepul'",
                "records": 1,
                "newest": [f"uzum-{record.pk}"],
            }
        ]
        assert told[0]["records"] == 1
        assert (
            told[0]["outliers"][0] | {"id": f"uzum-{marked.pk}", "price": "100.00"}
            == (told[0]["outliers"][0])
        )
        assert told[1]["outliers"] is None

    def test_tells_the_newest_outliers_unless_told_otherwise(self):
        for hour in range(5):
            outlier(hour)
        arguments = ("ingest_review", "list", "--platform=uzum")

        short, full = run(*arguments).out, run(*arguments, "--all").out

        assert (short.count("of offer"), full.count("of offer")) == (3, 5)
        assert "   Outliers: 5\n" in short

    def test_goes_on_when_a_database_is_down(self, move):
        move("ecommerce", 1)

        outcome = run("ingest_review", "list")

        assert outcome.code == 1
        assert outcome.err.startswith("ECOMMERCE: ")
        assert outcome.err.endswith("CommandError: 1 of 3 databases failed: ecommerce\n")
        assert "PROCUREMENT - B2B government procurement\n" in outcome.out


class TestShow:
    def test_a_run(self):
        held = held_run(card(1), *map(card, range(2, 9)))

        out = run("ingest_review", "show", "run", f"uzum-{held.pk}").out

        assert f"id: uzum-{held.pk}\nstatus: held\nsource: page.json\n" in out
        assert f"causes: {CAUSE}\n" in out
        assert "counts: read 3, created 2, updated 0, unchanged 1, rejected 0, held 8," in out
        assert out.count("held cards.jsonl: line ") == 3
        assert 'held cards.jsonl: line 1 (UZ-GQL-CARD)\n   {\n     "productId": 1,' in out

    def test_a_run_that_holds_nothing(self):
        done = factories.load_run("ecommerce", platform="uzum")

        out = run("ingest_review", "show", "run", f"uzum-{done.pk}").out

        assert "status: completed\n" in out

    def test_what_could_not_be_read_among_what_is_held(self):
        held = held_run()
        line = {"reason": "is not JSON", "raw": "{broken", "place": "line 3", "source": "a.jsonl"}
        body = chunks.pack([orjson.dumps(line | {"shape": ""})])
        LoadChunk.objects.create(run=held, is_held=True, sequence=1, body=body)

        out = run("ingest_review", "show", "run", f"uzum-{held.pk}").out

        assert out.endswith("held a.jsonl: line 3 (is not JSON)\n   {broken\n")

    def test_a_record(self):
        record = factories.quarantined(
            "classifieds", '{"title": "Choynak ☕", "price": "bepul"}'.encode(), seen_count=3
        )

        out = run("ingest_review", "show", "record", f"olx-{record.pk}").out

        assert out == (
            f"id: olx-{record.pk}\n"
            "reason: price: is not a number: 'bepul'\n"
            "source: page.json, record 7\n"
            "first seen at: 2026-11-20 14:00\n"
            "last seen at: 2026-11-20 14:00\n"
            "seen count: 3\n"
            'payload:\n   {\n     "title": "Choynak ☕",\n     "price": "bepul"\n   }\n'
        )

    def test_a_record_that_is_no_json(self):
        record = factories.quarantined("classifieds", b"\xff\xfe{broken")

        out = run("ingest_review", "show", "record", f"olx-{record.pk}").out

        assert out.endswith("payload:\n   ��{broken\n")

    def test_long_payloads_are_shortened_unless_told_otherwise(self):
        payload = {"text": "a" * 999, "list": list(range(60))}
        record = factories.quarantined("classifieds", orjson.dumps(payload))
        arguments = ("ingest_review", "show", "record", f"olx-{record.pk}")

        short, full = run(*arguments).out, run(*arguments, "--full").out

        assert short.endswith("   … 25 more lines; --full shows all\n")
        assert "a" * 999 not in short
        assert "a" * 999 in full
        assert "…" not in full

    def test_tells_the_same_to_a_program(self):
        record = factories.quarantined("classifieds", b'{"price": "bepul"}')
        held = held_run(card(1))

        told = json.loads(
            run("ingest_review", "show", "record", f"olx-{record.pk}", "--format=json").out
        )
        shown = json.loads(
            run("ingest_review", "show", "run", f"uzum-{held.pk}", "--format=json").out
        )

        assert told["payload"] == {"price": "bepul"}
        assert shown["first"][0]["payload"] == card(1)


class TestReleaseRuns:
    def test_loads_what_is_held_at_its_own_time(self):
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
        names = [f"uzum-{each.pk}" for each in held]

        outcome = run("ingest_review", "release", "run", *names, names[0])

        assert outcome.out.count("Released 1 record of run ") == 2
        assert Product.objects.count() == 2

    def test_goes_on_when_one_holds_nothing(self):
        done, held = factories.load_run("ecommerce", platform="uzum"), held_run(card(2))

        outcome = run("ingest_review", "release", "run", f"uzum-{done.pk}", f"uzum-{held.pk}")

        assert outcome.err == (
            f"Run uzum-{done.pk} is completed: it holds nothing.\n"
            "CommandError: 1 of 2 failed. See: ingest_review list.\n"
        )
        assert Product.objects.count() == 1

    def test_names_the_next_step_of_a_failed_run_without_records(self):
        failed = factories.load_run("ecommerce", platform="uzum", status="failed")

        err = run("ingest_review", "release", "run", f"uzum-{failed.pk}").err

        assert f"Run uzum-{failed.pk} is failed: it holds nothing. Load its sources again.\n" in err

    def test_a_dry_run_does_nothing(self):
        held = held_run(card(1))

        outcome = run("ingest_review", "release", "run", f"uzum-{held.pk}", "--dry-run")

        assert outcome.out == f"Would release 1 record of run uzum-{held.pk}.\n"
        assert LoadRun.objects.get(pk=held.pk).status == "held"
        assert not Product.objects.exists()

    def test_what_still_cannot_be_loaded_goes_to_quarantine(self):
        held = held_run(card(1), card(None))

        outcome = run("ingest_review", "release", "run", f"uzum-{held.pk}")

        assert "created 1, updated 0, unchanged 0, rejected 1" in outcome.out
        assert QuarantinedRecord.objects.get().field == "productId"


class TestDiscardRuns:
    def test_throws_away_what_is_held(self):
        held = held_run(card(1), card(2), card(3))

        outcome = run("ingest_review", "discard", "run", "--force", f"uzum-{held.pk}")

        held.refresh_from_db()
        assert outcome == (f"Discarded 3 records of run uzum-{held.pk}.\n", "", 0)
        assert (held.status, held.error, held.chunks.count()) == ("discarded", CAUSE, 0)
        assert not Product.objects.exists()

    def test_asks(self, answer):
        held = held_run(card(1))
        name = f"uzum-{held.pk}"

        answer("no")
        refused = run("ingest_review", "discard", "run", name)
        answer(name)
        confirmed = run("ingest_review", "discard", "run", name)

        assert refused.err == (
            f"This discards 1 record of run {name}. Type {name} to continue: "
            "CommandError: Not confirmed: nothing was done.\n"
        )
        assert confirmed.out == f"Discarded 1 record of run {name}.\n"

    def test_a_dry_run_does_nothing(self):
        held = held_run(card(1))

        outcome = run("ingest_review", "discard", "run", f"uzum-{held.pk}", "--dry-run")

        assert outcome == (f"Would discard 1 record of run uzum-{held.pk}.\n", "", 0)
        assert held.chunks.count() == 1

    def test_what_is_discarded_cannot_be_released(self):
        held = held_run(card(1))
        run("ingest_review", "discard", "run", "--force", f"uzum-{held.pk}")

        outcome = run("ingest_review", "release", "run", f"uzum-{held.pk}")

        assert f"Run uzum-{held.pk} is discarded: it holds nothing.\n" in outcome.err


class TestRecords:
    @pytest.fixture
    def records(self):
        """Cards that an older adapter could not read; of the last, no adapter can."""
        told = [card(1), card(2), card(None)]
        return [
            factories.quarantined(
                "ecommerce",
                orjson.dumps(each),
                platform="uzum",
                shape="UZ-GQL-CARD",
                reason=f"is odd: {number}",
                observed_at=NOON,
            )
            for number, each in enumerate(told)
        ]

    def test_a_released_record_is_loaded_at_its_own_time(self, records):
        outcome = run("ingest_review", "release", "record", f"uzum-{records[0].pk}")

        assert outcome == ("Released 1 record of uzum.\n", "", 0)
        assert Product.objects.get().last_seen_at == NOON
        assert QuarantinedRecord.objects.count() == 2

    def test_what_fails_again_stays_with_its_new_reason(self, records):
        outcome = run("ingest_review", "release", "records", "--platform", "uzum")

        left = QuarantinedRecord.objects.get()
        assert outcome.out == "Released 2 records of uzum; 1 failed again.\n"
        assert outcome.code == 1
        assert Product.objects.count() == 2
        assert (left.pk, left.field, left.reason) == (records[2].pk, "productId", "is missing")

    @pytest.mark.parametrize("raw", [b'Zolla,"T-"shirt,500', b'{"productId": 1, "title": "lon'])
    def test_damaged_text_keeps_its_reason(self, raw):
        record = factories.quarantined(
            "ecommerce", raw, platform="uzum", shape="", field="", reason="is not CSV: odd"
        )

        outcome = run("ingest_review", "release", "record", f"uzum-{record.pk}")

        left = QuarantinedRecord.objects.get()
        assert outcome.out == "Released 0 records of uzum; 1 failed again.\n"
        assert (left.pk, left.reason) == (record.pk, "is not CSV: odd")

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

    def test_asks(self, records, answer):
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

    def test_a_late_record_goes_where_it_belongs(self, records):
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
        sound, marked = outlier(1, is_outlier=None), outlier(2)

        outcome = run(
            "ingest_review", "release", "outlier", f"uzum-{sound.pk}", f"uzum-{marked.pk}"
        )

        assert outcome.out == f"Released outlier uzum-{marked.pk}.\n"
        assert outcome.err.startswith(f"Price point {sound.pk} is not marked as a outlier.")
        assert outcome.code == 1

    def test_not_every_database_marks_prices(self):
        outcome = run("ingest_review", "release", "outlier", "olx-7")

        assert outcome.err.startswith("classifieds marks no prices as outliers.\n")


class TestWords:
    """What the list prints can be given to the other actions as it is."""

    @pytest.fixture
    def names(self):
        """One of each kind; the kinds and names that the list prints."""
        # Sequences go on from test to test: their numbers may be the same for two kinds.
        held_run(card(1), pk=1_000_001)
        for number in (2, 3):
            factories.quarantined(
                "ecommerce", orjson.dumps(card(number)), platform="uzum", pk=2_000_000 + number
            )
        outlier()
        out = run("ingest_review", "list", "--database=ecommerce").out
        return [found.split() for found in re.findall(r"(?:run|record|outlier)(?: uzum-\d+)+", out)]

    def test_are_shown(self, names):
        outcomes = [run("ingest_review", "show", *words) for words in names]

        assert [len(words) for words in names] == [2, 3, 2]
        assert [outcome.code for outcome in outcomes] == [0, 0, 0]
        assert "status: held\n" in outcomes[0].out
        assert outcomes[1].out.count("payload:\n") == 2
        assert outcomes[2].out == (
            f"id: {names[2][1]}\nstatus: marked\nprice: 100.00\nprice before: 1000.00\n"
            "currency: UZS\nrecorded at: 2026-11-20 06:00\noffer: o1\n"
            "title: Чайник электрический\n"
        )

    def test_are_shown_without_their_kind(self, names):
        for _, *ids in names:
            assert run("ingest_review", "show", *ids).code == 0

    def test_are_released(self, names):
        for words in names:
            assert run("ingest_review", "release", *words).code == 0

        assert run("ingest_review", "list", "--database=ecommerce").out.endswith(
            "   Held runs: 0\n   Quarantine: 0\n   Outliers: 0\n"
        )

    def test_are_released_together_without_their_kinds(self, names):
        outcome = run("ingest_review", "release", *(each for _, *ids in names for each in ids))

        assert outcome.code == 0
        assert Product.objects.filter(external_id__in=["1", "2", "3"]).count() == 3

    def test_are_discarded(self, names):
        held, records, marked = names

        assert run("ingest_review", "discard", *held, "--force").code == 0
        assert run("ingest_review", "discard", *records[1:], "--force").code == 0
        assert run("ingest_review", "discard", *marked, "--force").err == (
            "CommandError: An outlier stays in the price history, but is left out of lows and "
            "averages. If its price is right, release it.\n"
        )
        assert not QuarantinedRecord.objects.exists()

    def test_signs_around_them_are_no_part_of_them(self, names):
        _, first, second = names[1]

        assert run("ingest_review", "show", f"({first},", f"{second})").out.count("payload:") == 2

    def test_a_name_of_two_things_needs_its_kind(self):
        held = held_run(card(1))
        factories.quarantined("ecommerce", b"{}", platform="uzum", pk=held.pk)
        name = f"uzum-{held.pk}"

        assert run("ingest_review", "show", name).err == (
            f"CommandError: {name} is ambiguous. Write run {name} or record {name}.\n"
        )
        assert run("ingest_review", "show", "record", name).code == 0

    def test_a_run_that_waits_for_nobody_is_shown_too(self):
        done = factories.load_run("ecommerce", platform="uzum")

        assert "status: completed\n" in run("ingest_review", "show", f"uzum-{done.pk}").out

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["show", "uzum-999999"], "No run, record or outlier uzum-999999 waits for review."),
            (["show"], "Name what to show, as ingest_review list shows it: run uzum-17."),
            (["release", "records", "uzum-1"], "write record uzum-1."),
            (["release", "uzum-1", "--platform=uzum"], "leave out the ids."),
            (["show", "outlier", "olx-1"], "classifieds marks no prices as outliers."),
            (["show", "outlier", "uzum-999999"], "There is no outlier uzum-999999."),
        ],
    )
    def test_what_does_not_fit(self, words, message):
        outcome = run("ingest_review", *words)

        assert message in outcome.err
        assert outcome.code == 1


class TestMistakes:
    @pytest.mark.parametrize("name", ["17", "uzum", "uzum-", "uzum-x", "amazon-17", "uzum--17"])
    def test_what_is_no_id(self, name):
        outcome = run("ingest_review", "release", "run", name)

        assert outcome.err.startswith(
            f'CommandError: "{name}" is not an id. Write PLATFORM-NUMBER,'
        )

    def test_a_run_that_does_not_exist(self):
        run_of_ozon = held_run(card(1), platform="ozon")

        outcome = run("ingest_review", "show", "run", f"uzum-{run_of_ozon.pk}")

        assert outcome.err == (
            f"CommandError: There is no run uzum-{run_of_ozon.pk}. See: ingest_review list.\n"
        )

    def test_a_record_that_does_not_exist(self):
        record = factories.quarantined("classifieds", b"{}")

        outcome = run(
            "ingest_review", "discard", "record", f"olx-{record.pk}", "olx-999999", "--force"
        )

        assert outcome.err.startswith("CommandError: There is no quarantined record olx-999999.")
        assert ListingQuarantine.objects.exists()

    def test_all_records_of_all_platforms(self):
        factories.quarantined("classifieds", b"{}")

        outcome = run("ingest_review", "discard", "records", "--force")

        assert outcome.err.startswith("CommandError: Choose the records: --reason TEXT,")
        assert ListingQuarantine.objects.exists()

    def test_a_reason_that_no_record_has(self):
        outcome = run("ingest_review", "release", "records", "--reason", "nothing")

        assert outcome.err.startswith("CommandError: No quarantined record matches.")

    def test_nothing_of_this_touches_live_rows(self):
        listing = factories.listing()

        run("ingest_review", "list")

        assert Listing.objects.get() == listing
