"""`ingest_check` shows what would be loaded. It uses no database."""

import io
import json

import pytest
from django.core.management import call_command

from tests.commands import run

CARDS = """
[skip]
title = "ТОП"

[product]
external_id = "id"
title = "title"
rating = "rating"

[offer]
external_id = "id"
price = "price"
currency = { constant = "RUB" }
"""
ROWS = "id,title,rating,price\n1,A,4.5,10\n1,A,,10\n2,ТОП,,\n3,B,,\n4,C,9,1\n5,D,1\n"
NEVER = (
    "      never: title_ru, title_uz, title_en, description, category_external_id, "
    "seller_external_id, brand, model, sku, barcode, review_count, order_count, is_available, "
    "total_available, min_price, max_price, currency, url, images, video_url, tags, is_eco, "
    "is_adult, is_perishable, has_warranty, attributes, characteristics\n"
)


@pytest.fixture
def table(tmp_path):
    """Write a table and a mapping; return the arguments of the command."""
    (tmp_path / "table.csv").write_text(ROWS)
    (tmp_path / "map.toml").write_text(CARDS)
    return [str(tmp_path / "table.csv"), f"--columns={tmp_path / 'map.toml'}"]


def run_and_fail(*arguments):
    """Return the output and the exit code of a call that fails."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("ingest_check", *arguments, stdout=out, stderr=err, no_color=True)
    return out.getvalue(), err.getvalue(), ended.value.code


class TestText:
    def test_shows_records_coverage_and_errors(self, table):
        assert run("ingest_check", "wildberries", *table) == (
            "wildberries: sources 1, documents 6, read 5, rejected 2\n"
            "TABLE: documents 5, items 3, distinct ids 2, repeats 1\n"
            "   Product 3: external_id 100%, title 100%, rating 33.3%\n"
            + NEVER
            + "   Offer 2: external_id 100%, product_external_id 100%, price 100%, currency 100%\n"
            "      never: old_price, currency_text, seller_external_id, is_available, "
            "stock_quantity, variant_title, variant_attributes, barcode, delivery_days\n"
            "First rejected records (2 of 2)\n"
            '   table.csv: line 6: rating: "9" is not between 0 and 5\n'
            "   table.csv: line 7: has 3 columns, the table has 4\n",
            "",
            0,
        )

    def test_shows_the_first_ten_errors(self, table, tmp_path):
        (tmp_path / "table.csv").write_text("id,title,rating,price\n1,A,,1\n" + "2,B,9,1\n" * 25)

        out = run("ingest_check", "wildberries", *table).out

        assert "First rejected records (10 of 25)\n" in out
        assert out.count("is not between 0 and 5") == 10


class TestJson:
    def test_has_the_same_values(self, table):
        result = json.loads(run("ingest_check", "wildberries", *table, "--format=json").out)

        shape = result["shapes"]["TABLE"]
        product = shape["records"]["Product"]
        assert (result["documents"], result["items"], result["fault_count"]) == (6, 3, 2)
        assert (shape["documents"], shape["distinct"], shape["repeats"]) == (5, 2, 1)
        assert (product["count"], product["coverage"]["rating"]) == (3, 33.3)
        assert product["coverage"]["description"] == 0
        assert result["faults"][0] == {
            "place": "table.csv: line 6",
            "field": "rating",
            "reason": '"9" is not between 0 and 5',
        }


class TestExitCode:
    def test_is_1_if_nothing_could_be_read(self, tmp_path):
        (tmp_path / "page.json").write_text('{"what": "ever"}')

        out, err, code = run_and_fail("olx", str(tmp_path / "page.json"))

        assert (out.splitlines()[0], err, code) == (
            "olx: sources 1, documents 1, read 1, rejected 1",
            "",
            1,
        )
        assert "   page.json: document: not a known shape of olx (keys: what)" in out

    def test_is_1_if_a_source_is_missing(self):
        out, err, code = run_and_fail("olx", "no.json")

        assert out == "olx: sources 1, documents 0, read 0, rejected 0\n"
        assert (err, code) == ("Cannot read no.json: No such file or directory.\n", 1)

    def test_is_1_if_a_source_is_cut_off(self, tmp_path):
        advert = {"id": 1, "title": "Divan", "created_time": "2026-05-01T10:00:00", "params": []}
        (tmp_path / "b.json").write_text(f"[{json.dumps(advert)},")

        out, err, code = run_and_fail("olx", str(tmp_path))

        assert out.startswith("olx: sources 1, documents 1, read 1, rejected 0\n")
        assert err.startswith("b.json is not valid JSON at line 1, column ")
        assert code == 1

    def test_is_0_if_something_could_be_read(self, tmp_path):
        page = {"what": "ever"}
        (tmp_path / "a.json").write_text(json.dumps(page))
        tree = {"list": {"1": {"id": 1, "name": "Недвижимость", "parentId": 0}}}
        (tmp_path / "b.json").write_text(json.dumps(tree))

        outcome = run("ingest_check", "olx", str(tmp_path))

        assert outcome.code == 0
        assert outcome.out.startswith("olx: sources 2, documents 2, read 2, rejected 1\nOLX-CATS: ")


class TestMistakes:
    def test_an_unknown_platform(self):
        outcome = run("ingest_check", "amazon", "page.json")

        assert outcome.err.startswith('CommandError: Unknown platform "amazon". Use one of: uzum,')
        assert (outcome.out, outcome.code) == ("", 1)

    def test_a_mapping_that_is_not_valid(self, table, tmp_path):
        (tmp_path / "map.toml").write_text('[product]\nexternal_id = "id"\ntitel = "title"')

        outcome = run("ingest_check", "wildberries", *table)

        assert outcome.err == (
            "CommandError: map.toml, [product] titel: is not a field of this record type. "
            "Did you mean: title.\n"
        )
