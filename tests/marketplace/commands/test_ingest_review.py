"""`ingest_review` lists and shows rows that wait for review."""

import json
import re

import orjson
import pytest

from ecommerce.models import LoadChunk, Product
from marketplace.loading import chunks
from tests import factories
from tests.commands import run
from tests.marketplace.commands.review_rows import CAUSE, card, held_run, outlier

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds", "procurement"])


class TestList:
    def test_shows_pending_rows_and_reasons(self):
        older, newer = outlier(1), outlier(2)
        held = held_run(card(1), card(2), source="cards.jsonl", error=f"{CAUSE}\nanother cause")
        records = [
            factories.quarantined("classifieds", b"{%d}" % number, platform="olx")
            for number in range(5)
        ]
        other = factories.quarantined("classifieds", b"x", reason="is not JSON", field="")
        price, seen = "100.00 UZS (previously 1,000.00)", "2026-11-20 14:00"
        newest = " ".join(f"olx-{record.pk}" for record in records[:1:-1])

        assert run("ingest_review", "list") == (
            "ECOMMERCE - B2C e-commerce platforms\n"
            "   Held runs: 1\n"
            f"      run uzum-{held.pk}: 2 records of cards.jsonl, since 2026-11-20 17:00\n"
            f"         {CAUSE}\n"
            "         another cause\n"
            "   Failed runs: 0\n"
            "   Quarantine: 0\n"
            "   Outliers: 2\n"
            f"      outlier uzum-{newer.pk}: 1 record of offer o2, since 2026-11-20 07:00\n"
            f"         {price}\n"
            f"      outlier uzum-{older.pk}: 1 record of offer o1, since 2026-11-20 06:00\n"
            f"         {price}\n"
            "CLASSIFIEDS - C2C classifieds platforms\n"
            "   Held runs: 0\n"
            "   Failed runs: 0\n"
            "   Quarantine: 6\n"
            f"      record {newest}: 5 records of page.json, record 7, since {seen}\n"
            "         price: is not a number: 'bepul'\n"
            f"      record olx-{other.pk}: 1 record of page.json, record 7, since {seen}\n"
            "         is not JSON\n"
            "PROCUREMENT - B2B government procurement\n"
            "   Held runs: 0\n"
            "   Failed runs: 0\n"
            "   Quarantine: 0\n",
            "",
            0,
        )

    def test_shows_one_platform(self):
        held_run(card(1), platform="ozon")
        held_run(card(2))
        factories.quarantined("ecommerce", b"1", platform="ozon")
        factories.quarantined("ecommerce", b"2", platform="uzum")

        out = run("ingest_review", "list", "--platform=uzum").out

        assert "Held runs: 1\n      run uzum-" in out
        assert "Quarantine: 1\n      record uzum-" in out
        assert "ozon" not in out
        assert "CLASSIFIEDS" not in out

    def test_shows_the_most_frequent_reasons_without_all(self):
        for number in range(23):
            reason = f"{number:02} is odd"
            factories.quarantined("ecommerce", b"%d" % number, platform="uzum", reason=reason)
        arguments = ("ingest_review", "list", "--database=ecommerce")

        short, full = run(*arguments).out, run(*arguments, "--all").out

        assert short.count("is odd") == 20
        assert "      3 more; --all lists them\n" in short
        assert (full.count("is odd"), full.count("record uzum-")) == (23, 23)
        assert "more;" not in full

    def test_as_json(self):
        held, marked = held_run(card(1)), outlier()
        failed = held_run(status="failed", held_count=0)
        body = chunks.pack([orjson.dumps(card(number)) for number in (1, 2)])
        LoadChunk.objects.create(run=failed, sequence=1, body=body)
        record = factories.quarantined("ecommerce", b"1", platform="uzum")

        listed = json.loads(run("ingest_review", "list", "--format=json").out)

        assert [database["alias"] for database in listed] == [
            "ecommerce",
            "classifieds",
            "procurement",
        ]
        assert [(row["id"], row["held"], row["received"]) for row in listed[0]["runs"]] == [
            (f"uzum-{held.pk}", 1, 0),
            (f"uzum-{failed.pk}", 0, 2),
        ]
        assert listed[0]["runs"][0]["causes"] == [CAUSE]
        assert listed[0]["groups"] == [
            {
                "platform": "uzum",
                "reason": "price: is not a number: 'bepul'",
                "records": 1,
                "newest": [f"uzum-{record.pk}"],
            }
        ]
        assert listed[0]["records"] == 1
        assert (
            listed[0]["outliers"][0] | {"id": f"uzum-{marked.pk}", "price": "100.00"}
            == (listed[0]["outliers"][0])
        )
        assert listed[1]["outliers"] is None

    def test_shows_the_newest_outliers_without_all(self):
        for hour in range(22):
            outlier(hour)
        arguments = ("ingest_review", "list", "--platform=uzum")

        short, full = run(*arguments).out, run(*arguments, "--all").out

        assert (short.count("of offer "), full.count("of offer ")) == (20, 22)
        assert "   Outliers: 22\n" in short
        assert short.endswith("      2 more; --all lists them\n")

    def test_shows_the_other_databases_if_one_is_down(self, set_port):
        set_port("ecommerce", 1)

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
        assert 'held cards.jsonl: line 1 (UZ-GQL-CARD):\n   {\n     "productId": 1,' in out

    def test_a_held_record_that_could_not_be_read(self):
        held = held_run()
        line = {"reason": "is not JSON", "raw": "{broken", "place": "line 3", "source": "a.jsonl"}
        body = chunks.pack([orjson.dumps(line | {"shape": ""})])
        LoadChunk.objects.create(run=held, is_held=True, sequence=1, body=body)

        out = run("ingest_review", "show", "run", f"uzum-{held.pk}").out

        assert out.endswith("held a.jsonl: line 3 (is not JSON):\n   {broken\n")

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

    def test_a_record_that_is_not_json(self):
        record = factories.quarantined("classifieds", b"\xff\xfe{broken")

        out = run("ingest_review", "show", "record", f"olx-{record.pk}").out

        assert out.endswith("payload:\n   ��{broken\n")

    def test_long_payloads_are_shortened_without_full(self):
        payload = {"text": "a" * 999, "list": list(range(60))}
        record = factories.quarantined("classifieds", orjson.dumps(payload))
        arguments = ("ingest_review", "show", "record", f"olx-{record.pk}")

        short, full = run(*arguments).out, run(*arguments, "--full").out

        assert short.endswith("   … 25 more lines; --full shows all\n")
        assert "a" * 999 not in short
        assert "a" * 999 in full
        assert "…" not in full

    def test_as_json(self):
        record = factories.quarantined("classifieds", b'{"price": "bepul"}')
        held = held_run(card(1))

        record_json = json.loads(
            run("ingest_review", "show", "record", f"olx-{record.pk}", "--format=json").out
        )
        run_json = json.loads(
            run("ingest_review", "show", "run", f"uzum-{held.pk}", "--format=json").out
        )

        assert record_json["payload"] == {"price": "bepul"}
        assert run_json["first"][0]["payload"] == card(1)


class TestWords:
    """The other actions accept the words that the list shows."""

    @pytest.fixture
    def names(self):
        """Create rows of each kind; return the kinds and ids that the list shows."""
        # Sequences are not reset between tests: two kinds may have the same numbers.
        held_run(card(1), pk=1_000_001)
        for number in (2, 3):
            factories.quarantined(
                "ecommerce", orjson.dumps(card(number)), platform="uzum", pk=2_000_000 + number
            )
        outlier()
        out = run("ingest_review", "list", "--database=ecommerce").out
        return [words.split() for words in re.findall(r"(?:run|record|outlier)(?: uzum-\d+)+", out)]

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

    def test_are_released_together_without_their_kinds(self, names):
        outcome = run("ingest_review", "release", *(name for _, *ids in names for name in ids))

        assert outcome.code == 0
        assert Product.objects.filter(external_id__in=["1", "2", "3"]).count() == 3

    def test_punctuation_around_them_is_ignored(self, names):
        _, first, second = names[1]

        assert run("ingest_review", "show", f"({first},", f"{second})").out.count("payload:") == 2

    def test_an_ambiguous_id_needs_its_kind(self):
        held = held_run(card(1))
        factories.quarantined("ecommerce", b"{}", platform="uzum", pk=held.pk)
        name = f"uzum-{held.pk}"

        assert run("ingest_review", "show", name).err == (
            f"CommandError: {name} is ambiguous. Write run {name} or record {name}.\n"
        )
        assert run("ingest_review", "show", "record", name).code == 0

    def test_a_completed_run_is_shown_without_its_kind(self):
        completed = factories.load_run("ecommerce", platform="uzum")

        assert "status: completed\n" in run("ingest_review", "show", f"uzum-{completed.pk}").out

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["show", "uzum-999999"], "There is no run, record or outlier uzum-999999."),
            (["show"], "Specify the rows to show, as in ingest_review list: run uzum-17."),
            (["release", "records", "uzum-1"], "write: record uzum-1."),
            (["release", "uzum-1", "--platform=uzum"], "omit the ids."),
            (["show", "outlier", "olx-1"], "classifieds does not mark prices as outliers."),
            (["show", "outlier", "uzum-999999"], "The outlier uzum-999999 does not exist."),
        ],
    )
    def test_invalid_words(self, words, message):
        outcome = run("ingest_review", *words)

        assert message in outcome.err
        assert outcome.code == 1
