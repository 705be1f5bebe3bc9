"""Panels: declared in heads, and answered each on its own."""

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape
from unittest.mock import Mock

import pytest
from django.contrib.admin.templatetags.admin_urls import admin_urlname
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone

from marketplace.exceptions import AnswerError, QuestionError
from marketplace.questions import access, views
from marketplace.questions.definition import get_question, read, read_questions
from tests import factories
from tests.questions import analysts, compute_all_rollups  # noqa: F401

pytestmark = [
    pytest.mark.django_db(databases="__all__", transaction=True),
    pytest.mark.usefixtures("analysts"),
]


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()


_PANEL = r'hx-get="([^"]+panel=\d+)"'


@pytest.fixture
def pages():
    """Create rows that every panel shows; return the addresses of the pages with panels."""
    now = timezone.now()
    seen = {"last_seen_at": now, "first_seen_at": now - timedelta(days=100)}
    seller = factories.seller()
    product = factories.product(seller=seller, **seen)
    cut = now - timedelta(days=2)
    offer = factories.offer(
        product=product, seller=seller, price=80, scraped_at=now, **seen, is_available=True
    )
    for price, at in ((100, now - timedelta(days=100)), (80, cut)):
        factories.price_point(offer=offer, price=price, recorded_at=at, is_available=True)
    listing, _ = (
        factories.listing(latitude="41.3", longitude="69.2", posted_at=cut, **seen)
        for _ in range(2)
    )
    customer, provider = factories.organization(), factories.organization(inn="2")
    deal = {"customer": customer, "provider": provider, "deal_date": cut}
    lot = factories.lot(participants_count=1, ends_at=cut, **deal, **seen)
    factories.lot_item(lot=lot)
    for alias, platform in (("ecommerce", "uzum"), ("classifieds", "olx"), ("procurement", "uzex")):
        factories.load_run(alias, platform=platform, newest_observed_at=now)
    compute_all_rollups()
    rows = (product, offer, seller, listing, lot, customer)
    return ["/", *(reverse(admin_urlname(row._meta, "change"), args=[row.pk]) for row in rows)]


def test_every_panel_shows_its_rows(admin_client, pages):
    addresses = [
        unescape(address)
        for page in pages
        for address in re.findall(_PANEL, admin_client.get(page).content.decode())
    ]

    texts = {address: admin_client.get(address).content.decode() for address in addresses}

    assert len(addresses) == sum(len(item.panels) for item in read_questions()[0].values())
    assert [
        address
        for address, text in texts.items()
        if 'role="alert"' in text or not ("<td" in text or "<canvas" in text)
    ] == []


def test_the_page_of_a_row_has_its_panels(admin_client):
    seller = factories.seller(platform="uzum", external_id="7 & 8")

    text = admin_client.get(f"/ecommerce/seller/{seller.pk}/change/").content.decode()

    address = "/questions/ecommerce/seller/?seller=uzum%3A7+%26+8&amp;panel=1"
    assert f'hx-get="{address}"' in text


def test_a_panel_whose_parameter_is_unknown_is_left_out(admin_client):
    listing = factories.listing(latitude=None, longitude=None)

    text = admin_client.get(f"/classifieds/listing/{listing.pk}/change/").content.decode()

    assert "/questions/classifieds/fair_price/" in text
    assert "/questions/classifieds/nearby/" not in text


def test_the_answers_of_the_overview_are_kept(admin_client, monkeypatch):
    address = "/questions/procurement/savings/?panel=1"
    first = admin_client.get(address).content
    monkeypatch.setattr(views, "ask", None)

    assert admin_client.get(address).content == first
    assert "Answered at" in first.decode()


def test_an_error_is_shown_in_the_panel(admin_client):
    response = admin_client.get(
        "/questions/ecommerce/price_drops/", {"panel": 1, "since": "yesterday"}
    )

    assert response.status_code == 200
    assert "since is not a date: yesterday" in response.content.decode()


def test_a_panel_needs_the_permission_of_its_database(client):
    client.force_login(User.objects.create_user("ann", is_staff=True))
    address = "/questions/ecommerce/price_drops/?panel=1"

    assert client.get(address).status_code == 403
    assert "/questions/ecommerce/" not in client.get("/").content.decode()


def test_a_question_that_was_stopped_is_not_asked_again_at_once(admin_client, monkeypatch):
    address = "/questions/procurement/savings/?panel=1"
    ask = Mock(side_effect=AnswerError("procurement.savings was stopped after 60 seconds."))
    monkeypatch.setattr(views, "ask", ask)

    texts = [admin_client.get(address).content.decode() for _ in range(2)]

    assert texts[0] == texts[1]
    assert "was stopped after 60 seconds" in texts[0]
    ask.assert_called_once()


def test_two_panels_of_a_question_have_their_own_limits(admin_client, monkeypatch):
    question = get_question("ecommerce.price_drops")
    panels = tuple(replace(question.panels[0], limit=limit) for limit in (0, 5))
    monkeypatch.setattr(access, "get_question", lambda name: replace(question, panels=panels))

    first, second = (
        admin_client.get(f"/questions/ecommerce/price_drops/?panel={number}").content.decode()
        for number in (1, 2)
    )

    assert "<table" not in first
    assert "<table" in second


def test_an_account_of_one_database_sees_its_panels_only(client):
    user = User.objects.create_user("ann", is_staff=True)
    user.user_permissions.add(
        Permission.objects.get(content_type__app_label="procurement", codename="view_lot")
    )
    client.force_login(user)

    overview = client.get("/").content.decode()

    assert "/questions/procurement/savings/" in overview
    assert "/questions/ecommerce/" not in overview
    assert client.get("/questions/procurement/savings/?panel=1").status_code == 200
    assert client.get("/questions/ecommerce/price_drops/?panel=1").status_code == 403
    assert "/questions/classifieds/" not in client.get("/questions/").content.decode()


def test_a_database_that_is_down_affects_its_own_panels(admin_client, set_port, monkeypatch):
    monkeypatch.setenv("ECOMMERCE_ANALYST_PASSWORD", "a-password-of-the-tests")
    set_port("ecommerce", 1)

    overview = admin_client.get("/")
    panel = admin_client.get("/questions/ecommerce/price_drops/?panel=1")
    other = admin_client.get("/questions/procurement/savings/?panel=1")

    assert (overview.status_code, panel.status_code) == (200, 200)
    assert "/questions/ecommerce/price_drops/" in overview.content.decode()
    assert "Connection refused" in panel.content.decode()
    assert 'role="alert"' not in other.content.decode()


@pytest.mark.parametrize("number", ["0", "9", "overview"])
def test_an_undeclared_panel_does_not_exist(admin_client, number):
    response = admin_client.get(f"/questions/ecommerce/price_drops/?panel={number}")

    assert response.status_code == 404


@pytest.mark.parametrize(
    ("panel", "reason"),
    [
        ('page = "ecommerce.shop"', "There is no page ecommerce.shop"),
        ('page = "overview"\nparameters = { day = "1" }', "unknown parameter day"),
        ('page = "overview"\nrows = 5', "Unknown key rows"),
    ],
)
def test_an_invalid_panel_is_named_with_its_line(tmp_path, panel, reason):
    path = tmp_path / "ecommerce" / "questions" / "sellers.sql"
    path.parent.mkdir(parents=True)
    path.write_text(f'/*\ntitle = "a"\ndescription = "b"\n[[panels]]\n{panel}\n*/\nSELECT 1 AS a')

    with pytest.raises(QuestionError, match=reason) as raised:
        read(path)

    assert raised.value.line in (5, 6)
