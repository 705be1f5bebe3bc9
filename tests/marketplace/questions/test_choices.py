"""What the fields of a form suggest."""

import pytest
from django.contrib.auth.models import User

from tests import factories

pytestmark = pytest.mark.django_db(databases="__all__")

ADDRESS = "/questions/ecommerce/compare/choices/product/"


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

    assert (text.status_code, text.content) == (200, b"")
