"""Questions by HTTP: the same rows as everywhere, and a clear error for each bad request."""

import csv
import io
import json
import re
from datetime import timedelta
from html import unescape
from unittest import mock

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone
from pyarrow import parquet

from marketplace import groups
from marketplace.api import tokens
from marketplace.models import ApiToken
from marketplace.questions import ask
from marketplace.questions.definition import read_questions
from tests.commands import run
from tests.questions import SELLERS_HEAD, add_sellers, analysts  # noqa: F401

pytestmark = [
    pytest.mark.django_db(databases="__all__", transaction=True),
    pytest.mark.usefixtures("analysts"),
]

TYPES_IN_JSON = {"number": "number", "money": "number", "flag": "boolean"}

PATH = "/api/questions/ecommerce/seller_ranking"


ECHO = """/*
title = "Echo"
description = "Values of parameters."
[parameters.text]
type = "text"
[parameters.since]
type = "date"
[parameters.number]
type = "number"
*/
SELECT %(text)s AS text, %(since)s AS since, %(number)s AS number
"""


@pytest.fixture
def account():
    groups.ensure_groups()
    user = User.objects.create_user("ann")
    user.groups.add(Group.objects.get(name="analyst"))
    return user


@pytest.fixture
def get(client, account):
    """Return a function that requests an address with a token of the account."""
    token, _ = tokens.issue(account, "tests", 1)

    def get(address, token=token, **headers):
        return client.get(address, headers={"Authorization": f"Bearer {token}"} | headers)

    return get


def test_the_list_has_the_questions_of_all_databases(get):
    listed = get("/api/questions").json()["questions"]

    assert [entry["name"] for entry in listed] == list(read_questions()[0])
    assert all(entry["url"].startswith("/api/questions/") for entry in listed)


@pytest.mark.usefixtures("question")
class TestRows:
    """The rows are those of Python, in each format."""

    ADDRESS = "/api/questions/ecommerce/sellers?platform=uzum"

    @pytest.fixture(autouse=True)
    def sellers(self):
        add_sellers(("uzum", "=Бозор", None), ("uzum", "a, b", "https://a.uz"), ("ozon", "c", None))

    def test_all_formats_have_the_rows_of_python(self, get):
        with ask("ecommerce.sellers", platform="uzum") as answer:
            expected = list(answer.as_dicts())

        content = get(self.ADDRESS).json()
        lines = b"".join(get(f"{self.ADDRESS}&format=jsonl")).decode().splitlines()
        text = b"".join(get(f"{self.ADDRESS}&format=csv")).decode()
        file = io.BytesIO(b"".join(get(f"{self.ADDRESS}&format=parquet")))

        assert content["rows"] == expected
        assert [row["name"] for row in expected] == ["=Бозор", "a, b"]
        assert [json.loads(line) for line in lines] == expected
        names = [row["name"] for row in csv.DictReader(io.StringIO(text))]
        assert names == ["'=Бозор", "a, b"]
        assert parquet.read_table(file).to_pylist() == expected
        assert content["parameters"] == {"platform": "uzum"}

    def test_parameters_survive_from_page_to_export_api_and_command(
        self, get, admin_client, question, tmp_path
    ):
        question.write_text(ECHO)
        read_questions.cache_clear()
        texts = {"text": "a & b='c' + 50% «д»; \\", "since": "-7d", "number": "1,5"}
        path = tmp_path / "rows.jsonl"

        page = admin_client.get("/questions/ecommerce/sellers/", texts).content.decode()
        [query] = re.findall(r'href="(\?[^"]*format=jsonl)"', page)
        export = admin_client.get(f"/questions/ecommerce/sellers/{unescape(query)}")
        rows = b"".join(export).decode()
        answer = b"".join(get(f"/api/questions/ecommerce/sellers{unescape(query)}")).decode()
        arguments = [f"{name}={text}" for name, text in texts.items()]
        run("ask", "ecommerce.sellers", *arguments, "--format=jsonl", f"--output={path}")

        day = (timezone.localdate() - timedelta(days=7)).isoformat()
        assert json.loads(rows) == {"text": texts["text"], "since": day, "number": "1.5"}
        assert answer == path.read_text() == rows

    @pytest.mark.parametrize("kind", ["json", "jsonl", "parquet"])
    def test_a_question_that_runs_too_long(self, get, question, settings, kind):
        settings.QUESTION_TIMEOUT = 1
        endless = "count(*) FROM generate_series(1, 1e12::bigint)"
        question.write_text(f"{SELLERS_HEAD}SELECT %(platform)s AS name, NULL AS link, {endless}")
        read_questions.cache_clear()

        response = get(f"{self.ADDRESS}&format={kind}")

        assert response.status_code == 503
        assert "ecommerce.sellers was stopped after 1 seconds" in response.json()["error"]

    def test_an_export_is_logged(self, get, caplog):
        with caplog.at_level("INFO", "marketplace.questions.downloads"):
            get(f"{self.ADDRESS}&format=csv").close()

        assert "ann exports ecommerce.sellers as csv: {'platform': 'uzum'}" in caplog.text

    def test_a_cut_answer_says_so(self, get):
        content = get(f"{self.ADDRESS}&limit=1").json()

        assert (content["row_count"], content["is_truncated"]) == (1, True)

    @pytest.mark.parametrize("kind", ["jsonl", "xlsx", "parquet"])
    def test_a_limit_cuts_a_file(self, get, kind):
        response = get(f"{self.ADDRESS}&limit=1&format={kind}")

        assert response.status_code == 200
        assert b"".join(response)

    def test_a_file_that_is_not_valid_is_named(self, get, question):
        question.write_text("/*\ntitle = 1\n*/ SELECT 1")
        read_questions.cache_clear()

        response = get("/api/questions/ecommerce/sellers")

        assert response.status_code == 500
        assert "sellers.sql:2" in response.json()["error"]


@pytest.mark.parametrize(
    ("query", "parameter", "reason"),
    [
        ("since=yesterday", "since", "is not a date"),
        ("platform=olx", "platform", "is not a platform of ecommerce"),
        (f"search={'x' * 10_000}", "search", "has more than 1,000 characters"),
        ("search=%00", "search", "NUL"),
        ("colour=red", "colour", "is not a parameter of"),
        ("format=xml", "format", "must be one of"),
        ("limit=0", "limit", "positive integer"),
        ("limit=10001", "limit", "at most 10,000"),
    ],
)
def test_invalid_parameter(get, query, parameter, reason):
    name = "price_drops" if query.startswith("since") else "compare"
    response = get(f"/api/questions/ecommerce/{name}?{query}")

    assert (response.status_code, response.json()["parameter"]) == (400, parameter)
    assert reason in response.json()["error"]


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Basic abc"}, {"Authorization": "Bearer "}],
)
def test_without_a_token(client, headers):
    response = client.get(PATH, headers=headers)

    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "token" in response.json()["error"]


@pytest.mark.parametrize("token", ["wrong", "токен", "x" * 10_000])
def test_unknown_token(get, token):
    assert get(PATH, token=token).status_code == 401


def test_a_session_is_no_token(client, admin_user):
    client.force_login(admin_user)

    assert client.get(PATH).status_code == 401


def test_expired_token(get):
    later = timezone.now() + timedelta(days=1)
    with mock.patch.object(timezone, "now", return_value=later):
        response = get(PATH)

    assert response.status_code == 401
    assert "expired on" in response.json()["error"]


def test_inactive_account(get, account):
    account.is_active = False
    account.save()

    assert get(PATH).status_code == 401


def test_account_without_access_to_the_database(get, account):
    account.groups.clear()

    response = get(PATH)

    assert response.status_code == 403
    assert "ecommerce" in response.json()["error"]
    assert get("/api/questions").json() == {"questions": []}


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_other_methods(client, method):
    response = getattr(client, method)(PATH)

    assert (response.status_code, response.headers["Allow"]) == (405, "GET")
    assert "Use GET" in response.json()["error"]


@pytest.mark.parametrize("name", ["ecommerce/price_drop", "ecommerce/sellers", "shops/sellers"])
def test_access_is_checked_first(get, account, question, name):
    question.write_text("/*\ntitle = 1\n*/ SELECT 1")
    read_questions.cache_clear()
    account.groups.clear()

    response = get(f"/api/questions/{name}")

    assert response.status_code == 403
    assert "may not view the tables" in response.json()["error"]


def test_parameters_have_the_values_that_were_read(get):
    drops = get("/api/questions/ecommerce/price_drops?since=-7d").json()["parameters"]
    ads = get("/api/questions/classifieds/nearby?point=41.31, 69.28&km=2,5").json()

    week = timezone.localdate() - timedelta(days=7)
    assert (drops["since"], drops["platform"]) == (week.isoformat(), None)
    assert (ads["parameters"]["point"], ads["parameters"]["km"]) == ("41.31,69.28", 2.5)


def test_unknown_question(get):
    response = get("/api/questions/ecommerce/price_drop")

    assert response.status_code == 404
    assert "Did you mean ecommerce.price_drops" in response.json()["error"]


def test_the_documentation_names_every_question(admin_client):
    paths = admin_client.get("/api/openapi.json").json()["paths"]

    for name, question in read_questions()[0].items():
        operation = paths[f"/api/questions/{name.replace('.', '/')}"]["get"]
        names = [parameter["name"] for parameter in operation["parameters"]]
        assert names == [*(item.name for item in question.parameters), "format", "limit"]
    assert {"/api/ingest/{platform}", "/api/ingest/runs/{name}"} <= set(paths)


def test_the_documentation_has_the_types_of_parameters(admin_client):
    content = admin_client.get("/api/openapi.json").json()
    schemas = {
        (name, parameter["name"]): parameter["schema"]
        for name in read_questions()[0]
        for parameter in content["paths"][f"/api/questions/{name.replace('.', '/')}"]["get"][
            "parameters"
        ]
    }

    for name, question in read_questions()[0].items():
        for parameter in question.parameters:
            schema = schemas[name, parameter.name]
            assert schema["type"] == TYPES_IN_JSON.get(parameter.type, "string")
            assert ("enum" in schema) == (parameter.type in ("choice", "platform"))
            for bound in ("minimum", "maximum"):
                assert schema.get(bound) == getattr(parameter, bound)


def test_the_documentation_requires_a_login(client):
    assert client.get("/api/docs").status_code == 302
    assert client.get("/api/openapi.json").status_code == 302


class TestCommand:
    """`api_token` creates, lists and revokes tokens."""

    def test_a_created_token_is_accepted_until_it_is_revoked(self, client, account, capsys):
        call_command("api_token", "ann", name="notebook")
        token = capsys.readouterr().out.strip()
        headers = {"Authorization": f"Bearer {token}"}

        assert client.get("/api/questions", headers=headers).status_code == 200
        assert token not in str(ApiToken.objects.values_list())
        call_command("api_token", list=True)
        assert "ann  notebook  valid until" in capsys.readouterr().out
        call_command("api_token", "ann", name="notebook", revoke=True)
        assert client.get("/api/questions", headers=headers).status_code == 401

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (["bob"], "The account bob does not exist"),
            (["ann", "--revoke"], "has no token default"),
            ([], "Specify an account"),
            (["ann", "--days", "0"], "--days must be"),
        ],
    )
    def test_errors(self, account, arguments, reason):
        with pytest.raises(CommandError, match=reason):
            call_command("api_token", *arguments)

    def test_a_name_is_used_once(self, account):
        call_command("api_token", "ann")
        with pytest.raises(CommandError, match="has a token default already"):
            call_command("api_token", "ann")
