"""Lists: search, filters, sorting, counts."""

from datetime import timedelta

import pytest
from django.contrib import admin
from django.db import connections
from django.db.models import F, Value
from django.db.models.expressions import OrderBy
from django.urls import reverse
from psycopg2 import sql

from ecommerce.models import Seller
from marketplace.admin_site import large_tables
from marketplace.registry import ALIASES
from tests import factories

pytestmark = [
    pytest.mark.django_db(databases="__all__"),
    # The folder of collected static files is made where the project is deployed.
    pytest.mark.filterwarnings("ignore:No directory at"),
]

MODELS = [
    model for alias in ALIASES for model in admin.site._registry if model._meta.app_label == alias
]


@pytest.fixture
def show(admin_client):
    """Return the ids of a list and the text with the number of rows."""

    def show(name, **parameters):
        response = admin_client.get(reverse(f"admin:{name}_changelist"), parameters)
        assert response.status_code == 200, response.headers
        changelist = response.context["cl"]
        ids = [row.external_id for row in changelist.result_list]
        return ids, changelist.paginator.count_text

    return show


class TestSearch:
    def test_finds_a_word_in_another_form(self, show):
        factories.product(external_id="1", title="Электрический чайник")
        factories.product(external_id="2", title="Утюг")

        assert show("ecommerce_product", q="чайники") == (["1"], "1")

    def test_finds_an_id(self, show):
        factories.product(external_id="777001", title="Утюг")
        factories.product(external_id="7770011", title="Утюг")

        assert show("ecommerce_product", q=" 777001 ") == (["777001"], "1")

    def test_finds_offers_by_the_title_of_their_product(self, show):
        factories.offer(external_id="o1", product=factories.product(title="Чайник"))
        factories.offer(external_id="o2", product=factories.product(title="Утюг"))

        assert show("ecommerce_offer", q="чайник") == (["o1"], "1")

    def test_finds_a_seller_by_a_part_of_the_name(self, show):
        factories.seller(external_id="1", name="ООО «Malika Savdo»")
        factories.seller(external_id="2", name="Artel")

        assert show("ecommerce_seller", q="LIKA sav") == (["1"], "1")

    @pytest.mark.parametrize("term", ["100%", "a_b", "\\"])
    def test_does_not_read_characters_as_a_pattern(self, show, term):
        factories.seller(external_id="1", name="ACB 1000")
        factories.seller(external_id="2", name=f"x {term} y")

        assert show("ecommerce_seller", q=term) == (["2"], "1")

    def test_finds_an_organization_by_its_tax_number(self, show):
        factories.organization(external_id="1", inn="201122919")
        factories.organization(external_id="2", inn="305678123")

        assert show("procurement_organization", q="305678123") == (["2"], "1")

    def test_finds_a_lot_by_its_number(self, show):
        factories.lot(external_id="1", display_no="24110008")
        factories.lot(external_id="2", display_no="24110009")

        assert show("procurement_lot", q="24110009") == (["2"], "1")

    def test_uses_the_trigram_index(self):
        sellers = Seller.objects.filter(large_tables.ILike(F("name"), Value("%savdo%")))

        with connections[sellers.db].cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            plan = sellers.explain()
        assert "ecommerce_sellers_name" in plan


class TestFilters:
    def test_platform(self, show):
        factories.product(external_id="1", platform="uzum")
        factories.product(external_id="2", platform="ozon")

        assert show("ecommerce_product", platform="ozon") == (["2"], "1")

    @pytest.mark.parametrize(
        ("value", "expected"),
        [("yes", ["1"]), ("no", ["2"]), ("unknown", ["3"]), ("", ["3", "2", "1"])],
    )
    def test_distinguishes_no_from_unknown(self, show, value, expected):
        for number, is_available in ((1, True), (2, False), (3, None)):
            factories.product(external_id=str(number), is_available=is_available)

        assert show("ecommerce_product", is_available=value)[0] == expected

    def test_range_of_prices(self, show):
        for number, price in ((1, 99), (2, 100), (3, 200), (4, 201), (5, None)):
            factories.product(external_id=str(number), min_price=price, max_price=price)

        ids, _ = show("ecommerce_product", min_price_from="100", min_price_to="2 00,0")

        assert ids == ["3", "2"]

    def test_days_in_the_time_zone_of_the_project(self, show):
        factories.listing(external_id="1", posted_at="2026-11-19T23:59:59+05:00")
        factories.listing(external_id="2", posted_at="2026-11-20T00:00:00+05:00")
        factories.listing(external_id="3", posted_at="2026-11-20T23:59:59+05:00")
        factories.listing(external_id="4", posted_at="2026-11-21T00:00:00+05:00")

        days = {"posted_at_from": "2026-11-20", "posted_at_to": "2026-11-20"}

        assert show("classifieds_listing", **days)[0] == ["3", "2"]

    def test_prefix_of_a_category_path(self, show):
        factories.listing(external_id="1", category_path="transport/cars")
        factories.listing(external_id="2", category_path="real-estate/transport")

        assert show("classifieds_listing", category_path="transport")[0] == ["1"]

    def test_generated_column(self, show):
        factories.lot(external_id="1", start_cost=100, deal_cost=90)
        factories.lot(external_id="2", start_cost=100, deal_cost=60)
        factories.lot(external_id="3", start_cost=100, deal_cost=None)

        assert show("procurement_lot", savings_percent_from="20")[0] == ["2"]

    def test_related_row_is_named(self, admin_client):
        seller = factories.seller(name="Malika Savdo")
        factories.offer(external_id="1", seller=seller)
        factories.offer(external_id="2")

        response = admin_client.get("/ecommerce/offer/", {"seller__id__exact": seller.pk})

        assert [row.external_id for row in response.context["cl"].result_list] == ["1"]
        assert "Only rows whose seller is <strong>Malika Savdo" in response.content.decode()


class TestSorting:
    @pytest.mark.parametrize(("order", "expected"), [("2", "123"), ("-2", "213")])
    def test_puts_nulls_last(self, show, order, expected):
        for number, price in ((1, 5), (2, 7), (3, None)):
            factories.product(external_id=str(number), min_price=price)

        assert show("ecommerce_product", o=order)[0] == list(expected)

    @pytest.mark.parametrize(("order", "expected"), [("4", "213"), ("-4", "123")])
    def test_puts_nulls_of_a_generated_column_last(self, show, order, expected):
        for number, old_price in ((1, 200), (2, 150), (3, None)):
            factories.offer(external_id=str(number), price=100, old_price=old_price)

        assert show("ecommerce_offer", o=order)[0] == list(expected)

    @pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.db_table)
    def test_puts_nulls_last_in_every_column(self, admin_client, model):
        model_admin = admin.site._registry[model]
        offset = 1 if model_admin.actions else 0
        names = list(map(str, model_admin.list_display))
        indexes = [names.index(name) + offset for name in model_admin.sortable]

        for index in indexes:
            for sign in ("", "-"):
                url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
                rows = admin_client.get(url, {"o": f"{sign}{index}"}).context["cl"].queryset
                order, *_ = rows.query.order_by
                name = order.expression.name if isinstance(order, OrderBy) else order
                if large_tables.is_nullable(model, name):
                    assert order.nulls_last or not order.descending

    @pytest.mark.parametrize("order", ["0", "99", "-99", "x", "1.x.-", "-"])
    def test_rejects_columns_that_cannot_be_sorted(self, admin_client, order):
        response = admin_client.get("/ecommerce/product/", {"o": order})

        assert response.status_code == 400


class TestDefaultOrder:
    def test_newest_row_comes_first(self, admin_client):
        listing, lot = factories.listing(), factories.lot()
        for day in (1, 2, 0):
            at = factories.SEEN + timedelta(days=day)
            factories.listing_event(listing=listing, recorded_at=at)
            factories.lot_event(lot=lot, recorded_at=at)
            factories.raw_payload("classifieds", b"%d" % day, observed_at=at)
            factories.quarantined("classifieds", b"%d" % day, last_seen_at=at)
            factories.load_run("classifieds", started_at=at)

        for name, column in (
            ("classifieds/listingevent", "recorded_at"),
            ("procurement/lotevent", "recorded_at"),
            ("classifieds/rawpayload", "observed_at"),
            ("classifieds/quarantinedrecord", "last_seen_at"),
            ("classifieds/loadrun", "started_at"),
        ):
            rows = admin_client.get(f"/{name}/").context["cl"].result_list
            assert [getattr(row, column).day for row in rows] == [22, 21, 20]


class TestCount:
    def test_counts_a_small_table(self, show):
        factories.product(external_id="1")

        assert show("ecommerce_product")[1] == "1"

    def test_estimates_a_large_one(self, show, monkeypatch):
        monkeypatch.setattr(large_tables, "MATCH_LIMIT", 2)
        for number in range(4):
            factories.product(external_id=str(number))
        _analyze("ecommerce_products")

        assert show("ecommerce_product")[1] == "about 4"

    def test_bounds_the_count_of_a_filtered_list(self, show, monkeypatch):
        monkeypatch.setattr(large_tables, "MATCH_LIMIT", 2)
        for number in range(4):
            factories.product(external_id=str(number))

        assert show("ecommerce_product", platform="uzum")[1] == "2+"

    def test_adds_up_the_estimates_of_partitions(self, admin_client, monkeypatch):
        monkeypatch.setattr(large_tables, "MATCH_LIMIT", 2)
        offer = factories.offer()
        for month in (9, 10, 11):
            factories.price_point(offer=offer, recorded_at=factories.SEEN.replace(month=month))
        _analyze("ecommerce_price_history")

        response = admin_client.get("/ecommerce/pricepoint/")

        assert response.context["cl"].paginator.count_text == "about 3"

    def test_bounds_the_number_of_pages(self, admin_client, monkeypatch):
        monkeypatch.setattr(large_tables, "MATCH_LIMIT", 2)
        monkeypatch.setattr(large_tables, "BROWSE_LIMIT", 50)
        for number in range(60):
            factories.product(external_id=str(number))
        _analyze("ecommerce_products")

        pages = [admin_client.get(f"/ecommerce/product/?p={page}") for page in (1, 2)]

        assert [response.context["cl"].page_num for response in pages] == [1, 1]


def _analyze(table):
    with connections["ecommerce"].cursor() as cursor:
        cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))
