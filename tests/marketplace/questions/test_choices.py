"""Suggestions of the fields of a form."""

import re

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import OperationalError, connections
from django.test.utils import CaptureQueriesContext

from marketplace.questions import choices
from tests import factories

pytestmark = pytest.mark.django_db(databases="__all__")

ADDRESS = "/questions/ecommerce/compare/choices/product/"


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()


@pytest.fixture
def product():
    return factories.product(platform="uzum", external_id="7", title="Чайник <b>Artel</b>")


def test_suggests_rows_that_match_the_words(admin_client, product):
    factories.product(title="Утюг")

    text = admin_client.get(ADDRESS, {"product": "чайник"}).content.decode()

    assert text.count("<option") == 1
    assert '<option value="uzum:7">Чайник &lt;b&gt;Artel&lt;/b&gt; (uzum 7)</option>' in text


def test_suggests_at_most_twelve(admin_client):
    for number in range(15):
        factories.product(title=f"Чайник {number}")

    text = admin_client.get(ADDRESS, {"product": "чайник"}).content.decode()

    assert text.count("<option") == 12


def test_suggests_the_paths_of_categories(admin_client):
    factories.category(name="Чайники", path_names="Кухня > Чайники")

    address = "/questions/ecommerce/price_drops/choices/category/"
    text = admin_client.get(address, {"category": "чайн"}).content.decode()

    assert '<option value="Кухня &gt; Чайники">' in text


@pytest.mark.parametrize("text", ["", "ч", "x" * 10_000, "\0", "& | ! (", "'; --"])
def test_other_texts_have_no_suggestions(admin_client, product, text):
    response = admin_client.get(ADDRESS, {"product": text})

    assert response.status_code == 200
    assert "<option" not in response.content.decode()


def test_needs_the_permission_of_the_database(client, product):
    assert client.get(ADDRESS, {"product": "чайник"}).status_code == 302

    client.force_login(User.objects.create_user("ann", is_staff=True))

    assert client.get(ADDRESS, {"product": "чайник"}).status_code == 403


def test_other_parameters_have_no_suggestions(admin_client):
    text = admin_client.get("/questions/ecommerce/compare/choices/search/", {"search": "чайник"})

    assert text.status_code == 200
    assert "<option" not in text.content.decode()


@pytest.mark.parametrize(
    ("parameter", "text", "values"),
    [
        ("city", "", ["Samarkand", "Tashkent"]),
        ("city", "tash", ["Tashkent"]),
        ("category", "cars", ["transport/cars"]),
    ],
)
def test_suggests_the_cities_and_categories_of_active_ads(admin_client, parameter, text, values):
    for city, category, status in (
        ("Tashkent", "transport/cars", "active"),
        ("Tashkent", "transport/cars", "active"),
        ("Samarkand", "jobs", "active"),
        ("Nukus", "transport/cars/old", "sold"),
        (None, None, "active"),
    ):
        factories.listing(city=city, category_path=category, status=status)

    address = f"/questions/classifieds/fair_price/choices/{parameter}/"
    html = admin_client.get(address, {parameter: text}).content.decode()

    assert re.findall('<option value="(.*?)"', html) == values


def test_the_reason_is_shown_if_there_are_none(admin_client, monkeypatch):
    def fail(*args):
        raise OperationalError("canceling statement due to statement timeout")

    monkeypatch.setattr(choices, "_values", fail)
    address = "/questions/classifieds/fair_price/choices/city/"
    html = admin_client.get(address, {"city": "tash"}).content.decode()

    assert "No suggestions: " in html
    assert 'id="note-city"' in html


def test_a_search_ends_after_two_seconds(admin_client, product):
    with CaptureQueriesContext(connections["ecommerce"]) as queries:
        admin_client.get(ADDRESS, {"product": "чайник"})

    assert any("'statement_timeout', '2s'" in query["sql"] for query in queries)
