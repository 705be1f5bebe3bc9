"""Answers: read-only, limited, stopped if they take too long, and complete files of exports."""

import csv
import io
import json
from datetime import UTC, datetime

import openpyxl
import pytest
from django.db import DatabaseError, connections
from pyarrow import parquet

from ecommerce.models import LoadRun
from marketplace.exceptions import AnswerError, DatabaseUnavailableError
from marketplace.questions import definition, exports
from marketplace.questions.answers import ask
from marketplace.questions.definition import read_questions
from tests.commands import run
from tests.marketplace.stage import wait
from tests.questions import analysts  # noqa: F401

pytestmark = [
    pytest.mark.django_db(databases=["ecommerce"], transaction=True),
    pytest.mark.usefixtures("analysts"),
]

HEAD = """/*
title = "Test"
description = "A question of the tests."
{parameters}
[columns.amount]
type = "money:currency"
*/
"""
COUNT = """[parameters.count]
type = "number"
default = "3"
"""

ROWS = """
SELECT n AS number, n * 1.5 AS amount, 'UZS' AS currency, '=1+1' AS formula, now() AS time,
    jsonb_build_object('a', n) AS value
FROM generate_series(1, %(count)s::int) AS s (n)
"""


@pytest.fixture
def question(tmp_path, monkeypatch):
    """A function that makes `ecommerce.test` of a SELECT."""
    folder = tmp_path / "ecommerce" / "questions"
    folder.mkdir(parents=True)
    monkeypatch.setattr(definition, "find_files", lambda: sorted(folder.glob("*.sql")))

    def make(sql, name="test"):
        path = folder / f"{name}.sql"
        path.write_text(HEAD.format(parameters=COUNT if "%(count)s" in sql else "") + sql)
        read_questions.cache_clear()
        return f"ecommerce.{name}"

    yield make
    read_questions.cache_clear()


def test_rows_are_named_tuples(question):
    rows = list(ask(question(ROWS), count=2))

    assert [(row.number, row.amount, row.currency) for row in rows] == [
        (1, 1.5, "UZS"),
        (2, 3, "UZS"),
    ]


def test_the_session_is_logged_in_as_the_analyst(question):
    [row] = ask(question("SELECT session_user::text AS login, current_user::text AS role"))

    database = connections["ecommerce"].settings_dict["NAME"]
    assert set(row) == {f"{database}_analyst"}


def test_a_limit_is_reported(question):
    name = question(ROWS)
    with ask(name, limit=2) as limited, ask(name, limit=3) as exact:
        assert (len(list(limited)), limited.is_truncated) == (2, True)
        assert (len(list(exact)), exact.is_truncated) == (3, False)


def test_many_rows_are_streamed(question):
    with ask(question(ROWS), count=10_000) as answer:
        assert sum(row.number for row in answer) == 50_005_000


def test_states_the_newest_observation_of_each_platform(question):
    at = datetime(2026, 3, 1, tzinfo=UTC)
    for platform, time in (("uzum", at), ("ozon", None)):
        LoadRun.objects.create(
            platform=platform, source="x", started_at=at, newest_observed_at=time
        )

    with ask(question(ROWS)) as answer:
        assert answer.as_of == {"ozon": None, "uzum": at}


def test_a_question_without_end_is_stopped(question, settings):
    settings.QUESTION_TIMEOUT = 1
    name = question("SELECT count(*) FROM generate_series(1, 1e12::bigint * %(count)s::int)")

    with pytest.raises(AnswerError, match=r"was stopped after 1 seconds\. Narrow it by .*count"):
        list(ask(name))


def test_rows_without_end_are_stopped(question, monkeypatch):
    monkeypatch.setenv("ANALYST_STATEMENT_TIMEOUT", "500ms")
    name = question("SELECT generate_series(1, 1e12::bigint) AS n")

    with pytest.raises(AnswerError, match=r"was stopped after 0\.5 seconds"):
        sum(1 for row in ask(name))


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl", "parquet"])
def test_a_file_that_fails_midway_says_so_or_has_no_end(question, kind):
    name = question(
        "SELECT 1 / (15000 - n) AS value, repeat('x', 100) AS text "
        "FROM generate_series(1, 19000) AS s (n)"
    )
    stream = exports.stream(ask(name), kind, needs_all=True)
    parts = []

    with pytest.raises(DatabaseError):
        parts.extend(stream)

    content = b"".join(parts)
    says_so = b"The file is incomplete: division by zero" in content.splitlines()[-1]
    assert says_so == (kind in ("csv", "jsonl"))
    assert not content.endswith((b"]\n", b"PAR1"))


def test_a_database_that_ends_the_session_is_named(question):
    with ask(question(ROWS), count=10_000) as answer:
        next(answer)
        with connections["ecommerce"].cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND usename LIKE '%analyst'"
            )

        with pytest.raises(
            DatabaseUnavailableError, match=r"^The database ecommerce is unreachable: .*Run this"
        ):
            list(answer)


def test_a_role_without_a_password_is_reported(question, monkeypatch):
    name = question(ROWS)
    monkeypatch.setitem(connections["ecommerce"].settings_dict, "HOST", "db.example")

    with pytest.raises(AnswerError, match="set ECOMMERCE_ANALYST_PASSWORD"):
        ask(name)


@pytest.mark.parametrize("kind", exports.FORMATS)
def test_exports_have_all_rows(question, kind, tmp_path, monkeypatch):
    monkeypatch.setattr(exports, "MAX_SHEET_ROWS", 40)
    path = tmp_path / f"answer.{kind}"
    with ask(question(ROWS), count=100) as answer, exports.complete_file(path) as file:
        exports.write(answer, kind, file)

    data = path.read_bytes()
    if kind == "csv":
        rows = list(csv.DictReader(io.StringIO(data.decode())))
        assert {row["formula"] for row in rows} == {"'=1+1"}
    elif kind == "json":
        rows = json.loads(data)
        assert rows[1]["value"] == {"a": 2}
    elif kind == "jsonl":
        rows = [json.loads(line) for line in data.splitlines()]
    elif kind == "parquet":
        rows = parquet.read_table(path).to_pylist()
        assert rows[2]["amount"] == 4.5
    else:
        book = openpyxl.load_workbook(path)
        assert [sheet.max_row for sheet in book] == [41, 41, 21]
        rows = [
            {"number": row[0]} for sheet in book for row in sheet.iter_rows(2, values_only=True)
        ]
    assert [int(row["number"]) for row in rows] == list(range(1, 101))


@pytest.mark.parametrize("kind", exports.FORMATS)
def test_an_empty_answer_can_be_exported(question, kind):
    file = io.BytesIO()
    with ask(question(ROWS), count=0) as answer:
        exports.write(answer, kind, file)

    assert len(file.getvalue()) > 0 or kind == "jsonl"


def test_a_failed_export_leaves_no_file(question, tmp_path, settings):
    settings.QUESTION_TIMEOUT = 1
    name = question("SELECT 1 / (5000 - n) AS value FROM generate_series(1, 9000) AS s (n)")

    with pytest.raises(DatabaseError), exports.complete_file(tmp_path / "x.csv") as file:
        exports.write(ask(name), "csv", file)

    assert list(tmp_path.glob("*.csv*")) == list(tmp_path.glob(".x*")) == []


def test_to_arrow(question):
    table = ask(question(ROWS), count=5).to_arrow()

    assert (table.num_rows, table.column("number").to_pylist()) == (5, [1, 2, 3, 4, 5])


def count_sessions():
    with connections["ecommerce"].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND usename LIKE '%analyst'"
        )
        return cursor.fetchone()[0]


def test_an_answer_closes_its_connection(question):
    name = question(ROWS)
    with ask(name) as read, ask(name) as closed:
        wait(lambda: count_sessions() == 2, "there are other sessions")

        list(read)
        closed.close()

        wait(lambda: count_sessions() == 0, "the sessions do not end")


class TestCommand:
    def test_lists_the_questions(self, question):
        question(ROWS)

        done = run("ask")

        assert done.code == 0
        assert "ecommerce.test" in done.out
        assert "count  number, default 3" in done.out

    def test_prints_a_table(self, question):
        done = run("ask", question(ROWS), "count=2")

        assert done.code == 0
        assert "1.50 UZS" in done.out
        assert "Only the first" not in done.err

    def test_names_the_columns_that_do_not_fit(self, question, monkeypatch):
        monkeypatch.setenv("COLUMNS", "40")

        done = run("ask", question(ROWS), "count=2")

        assert "1.50 UZS" in done.out
        assert max(map(len, done.out.splitlines())) <= 40
        assert "Columns that do not fit: time, value. Use a wider terminal" in done.err

    def test_a_pipe_gets_all_columns(self, question, monkeypatch):
        monkeypatch.delenv("COLUMNS", raising=False)

        done = run("ask", question(ROWS), "count=1")

        assert "{'a': 1}" in done.out
        assert "do not fit" not in done.err

    def test_accepts_parameters_after_options(self, question):
        done = run("ask", question(ROWS), "--format", "jsonl", "--limit", "1", "count=2")

        assert done.code == 0
        assert "Only the first 1 row" in done.err

    def test_reports_the_limit_of_a_table(self, question):
        done = run("ask", question(ROWS), "count=60")

        assert "Only the first 50 rows are shown; use --limit." in done.err

    def test_a_missing_folder_is_named(self, question, tmp_path):
        path = tmp_path / "missing" / "rows.csv"
        done = run("ask", question(ROWS), "--format", "csv", "--output", str(path))

        assert done.code == 1
        assert f"The folder {path.parent} does not exist" in done.err

    def test_writes_a_file(self, question, tmp_path):
        path = tmp_path / "answer.csv"

        done = run("ask", question(ROWS), "count=60", "--format", "csv", "--output", str(path))

        assert f"{path}: 60 rows" in done.err
        assert len(path.read_text().splitlines()) == 61

    def test_exits_with_1_if_there_is_no_answer(self, question, settings):
        settings.QUESTION_TIMEOUT = 1

        done = run("ask", question("SELECT count(*) FROM generate_series(1, 1e12::bigint)"))

        assert (done.code, done.out) == (1, "")
        assert "was stopped after 1 seconds" in done.err

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["ecommerce.unknown"], "The question ecommerce.unknown does not exist"),
            (["ecommerce.test", "count=many"], "count is not a number: many"),
            (["ecommerce.test", "size=1"], "size is not a parameter of ecommerce.test: count"),
            (["ecommerce.test", "count"], "count is not of the form NAME=VALUE"),
            (["ecommerce.test", "count=1", "count=2"], "count is stated twice"),
        ],
    )
    def test_refuses_invalid_arguments(self, question, arguments, message):
        question(ROWS)

        done = run("ask", *arguments)

        assert (done.code, done.out) == (2, "")
        assert message in done.err
