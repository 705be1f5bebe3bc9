"""The pages of questions: the address is the state, errors name the field, exports are complete."""

import csv
import io
import json
from unittest import mock

import pytest
from django.contrib.auth.models import Group, User
from django.db import DatabaseError, connections
from django.urls import reverse

from ecommerce.models import Seller
from marketplace import groups
from marketplace.questions import downloads, views
from marketplace.questions.definition import read_questions
from tests.questions import SELLERS_HEAD, add_sellers, analysts  # noqa: F401

pytestmark = [
    pytest.mark.django_db(databases="__all__", transaction=True),
    pytest.mark.usefixtures("analysts", "question"),
]

PAGE = "/questions/ecommerce/sellers/"


@pytest.fixture
def analyst(client):
    user = User.objects.create_user("ann", is_staff=True)
    groups.ensure_groups()
    user.groups.add(Group.objects.get(name="analyst"))
    client.force_login(user)
    return client


def test_a_login_is_required(client):
    assert client.get("/questions/").status_code == 302
    assert client.get(PAGE).status_code == 302


def test_an_account_without_permissions_sees_no_question(client):
    client.force_login(User.objects.create_user("bob", is_staff=True))

    assert "Sellers" not in client.get("/questions/").content.decode()
    assert client.get(PAGE).status_code == 403


def test_the_list_links_to_the_pages(analyst):
    content = analyst.get("/questions/").content.decode()

    assert f'href="{PAGE}"' in content
    assert "Sellers of a platform." in content


def test_a_page_shows_the_answer_of_its_address(analyst):
    add_sellers(("uzum", "<Malika>", "https://uzum.example/1"), ("ozon", "Orient", "javascript:1"))

    content = analyst.get(PAGE, {"platform": "uzum"}).content.decode()

    seller = Seller.objects.get(platform="uzum")
    assert "&lt;Malika&gt;" in content
    assert "Orient" not in content
    assert reverse("admin:ecommerce_seller_change", args=[seller.pk]) in content
    assert 'href="https://uzum.example/1"' in content
    assert "?platform=uzum&amp;format=csv" in content
    assert '<option value="uzum" selected>uzum</option>' in content


def test_only_web_addresses_become_links(analyst):
    add_sellers(("ozon", "Orient", "javascript:alert(1)"))

    assert 'href="javascript' not in analyst.get(PAGE).content.decode()


def test_more_rows_than_fit_are_announced(analyst, monkeypatch):
    monkeypatch.setattr(views, "ROW_LIMIT", 2)
    add_sellers(*(("uzum", f"Seller {n}", "") for n in range(3)))

    content = analyst.get(PAGE).content.decode()

    assert "The first 2 rows" in content


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"platform": "olx"}, "platform is not a platform of ecommerce: olx. Use uzum"),
        ({"platform": "x" * 10_000}, "platform has more than 1,000 characters"),
        ({"shop": "1"}, "shop is not a parameter of ecommerce.sellers: platform"),
    ],
)
def test_an_invalid_value_is_named(analyst, query, reason):
    page, export = analyst.get(PAGE, query), analyst.get(PAGE, query | {"format": "csv"})

    assert (page.status_code, export.status_code) == (400, 400)
    assert reason in page.content.decode()
    assert reason in export.content.decode()


def test_an_unknown_question_or_format_does_not_exist(analyst):
    assert analyst.get("/questions/ecommerce/sellerz/").status_code == 404
    assert analyst.get(PAGE, {"format": "doc"}).status_code == 404


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl", "xlsx", "parquet"])
def test_an_export_has_the_parameters_of_the_page(analyst, kind):
    add_sellers(*(("uzum", f"Seller {n}", "") for n in range(300)), ("ozon", "Orient", ""))

    response = analyst.get(PAGE, {"platform": "uzum", "format": kind})
    data = b"".join(response.streaming_content)

    assert f".{kind}" in response["Content-Disposition"]
    if kind == "csv":
        assert len(list(csv.DictReader(io.StringIO(data.decode())))) == 300
    elif kind == "json":
        assert len(json.loads(data)) == 300
    elif kind == "jsonl":
        assert len(data.splitlines()) == 300
    else:
        assert len(data) > 1000


def test_a_workbook_with_too_many_rows_is_refused(analyst, monkeypatch):
    monkeypatch.setattr(downloads, "XLSX_LIMIT", 2)
    add_sellers(*(("uzum", f"Seller {n}", "") for n in range(3)))

    response = analyst.get(PAGE, {"format": "xlsx"})

    assert response.status_code == 503
    assert "more than 2 rows" in response.content.decode()


def test_the_plan_is_that_of_the_answer(analyst):
    content = analyst.get(PAGE, {"platform": "uzum", "plan": "1"}).content.decode()

    assert "Limit  (cost=" in content
    assert "on ecommerce_sellers s" in content
    assert "Show the plan" not in content


def test_a_question_that_was_stopped_has_a_plan(analyst, question, settings):
    settings.QUESTION_TIMEOUT = 1
    endless = "count(*) FROM generate_series(1, 1e12::bigint)"
    question.write_text(f"{SELLERS_HEAD}SELECT %(platform)s AS name, NULL AS link, {endless}")
    read_questions.cache_clear()

    response = analyst.get(PAGE, {"plan": "1"})

    assert response.status_code == 503
    assert "ecommerce.sellers was stopped after 1 seconds" in response.content.decode()
    assert "Function Scan on generate_series" in response.content.decode()


def test_a_plan_that_cannot_be_made_is_explained(analyst, monkeypatch):
    monkeypatch.setattr(views, "plan_of", mock.Mock(side_effect=DatabaseError("no plan")))

    response = analyst.get(PAGE, {"plan": "1"})

    assert response.status_code == 200
    assert "no plan" in response.content.decode()


@pytest.mark.parametrize("is_begun", [False, True])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_client_that_goes_away_ends_the_question(analyst, kind, is_begun):
    add_sellers(*(("uzum", f"Seller {n}", "x" * 1000) for n in range(2500)))
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE usename LIKE '%_analyst'"

    response = analyst.get(PAGE, {"format": kind})
    if is_begun:
        next(iter(response))
    response.close()

    with connections["ecommerce"].cursor() as cursor:
        cursor.execute(sessions)
        assert cursor.fetchone() == (0,)
