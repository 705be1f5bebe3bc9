"""Filters of the lists: amounts in one currency, dates and numbers in the formats of users."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.db import connections
from django.urls import reverse
from django.utils.html import strip_tags

from ecommerce.models import PricePoint
from marketplace.admin_site import large_tables
from tests import factories

pytestmark = [
    pytest.mark.django_db(databases="__all__"),
    # The folder of collected static files is made where the project is deployed.
    pytest.mark.filterwarnings("ignore:No directory at"),
]

PRICED = {
    "ecommerce_product": (factories.product, "min_price", "2"),
    "ecommerce_offer": (factories.offer, "price", "3"),
    "classifieds_listing": (factories.listing, "price", "1"),
    "procurement_lot": (factories.lot, "start_cost", "3"),
    "procurement_lotitem": (factories.lot_item, "cost", "5"),
}


@pytest.fixture
def show(admin_client):
    """Return the ids of a list, and its page as text."""

    def show(name, status=200, **parameters):
        response = admin_client.get(reverse(f"admin:{name}_changelist"), parameters)
        assert response.status_code == status, response.headers
        text = unescape(re.sub(r"\s+", " ", strip_tags(response.content.decode())))
        rows = response.context["cl"].result_list if status == 200 else ()
        return [row.external_id for row in rows], text

    return show


class TestOneCurrency:
    @pytest.fixture(params=PRICED)
    def priced(self, request):
        """Three rows in UZS and one in RUB; return the list, the amount and its column number."""
        make, amount, column = PRICED[request.param]
        for number, price, currency in ((1, 3, "UZS"), (2, 1, "UZS"), (3, 2, "RUB"), (4, 5, "UZS")):
            make(external_id=str(number), **{amount: price, "currency": currency})
        return request.param, amount, column

    def test_sorting_by_price_shows_the_main_currency(self, show, priced):
        name, _, column = priced

        rows, text = show(name, o=column)

        assert rows == ["2", "1", "4"]
        assert "only rows in so'm (UZS) are shown. Show instead: rubles (RUB)," in text

    def test_filter_by_price_shows_the_main_currency(self, show, priced):
        name, amount, _ = priced

        rows, text = show(name, **{f"{amount}_to": "3"})

        assert rows == ["2", "1"]
        assert "only rows in so'm (UZS) are shown" in text

    def test_user_can_choose_another_currency(self, show, priced):
        name, amount, _ = priced

        rows, text = show(name, currency="RUB", **{f"{amount}_to": "3"})

        assert rows == ["3"]
        assert "Prices are compared" not in text

    def test_all_currencies_are_shown_without_comparison(self, show, priced):
        rows, text = show(priced[0])

        assert rows == ["4", "3", "2", "1"]
        assert "Prices are compared" not in text

    def test_most_frequent_currency_without_uzs(self, show):
        for number, currency in ((1, "KZT"), (2, "RUB"), (3, "RUB"), (4, None)):
            factories.offer(external_id=str(number), currency=currency, price=number)

        assert show("ecommerce_offer", o="3")[0] == ["2", "3"]

    def test_unknown_currency_can_be_chosen(self, show):
        factories.offer(external_id="1", currency=None)
        factories.offer(external_id="2")

        assert show("ecommerce_offer", currency="unknown", o="3")[0] == ["1"]

    def test_sorting_by_percent_shows_all_currencies(self, show):
        factories.offer(external_id="1", price=50, old_price=100)
        factories.offer(external_id="2", price=90, old_price=100, currency="RUB")

        assert show("ecommerce_offer", o="4")[0] == ["2", "1"]


class TestDays:
    @pytest.fixture(autouse=True)
    def listings(self):
        for day in (12, 13, 14):
            at = f"2026-11-{day}T00:30:00+05:00"
            factories.listing(external_id=str(day), posted_at=at)

    @pytest.mark.parametrize("day", ["13.11.2026", "2026-11-13", " 13.11.2026 "])
    def test_local_and_iso_formats_are_accepted(self, show, day):
        rows, text = show("classifieds_listing", posted_at_from=day, posted_at_to=day)

        assert rows == ["13"]
        assert "is not a date" not in text

    @pytest.mark.parametrize("day", ["11/13/2026", "31.02.2026", "yesterday", "13.11.9999"])
    def test_invalid_date_is_explained(self, show, day):
        text = show("classifieds_listing", 400, posted_at_from=day)[1]

        assert f'Posted: "{day}" is not a date. Write it as 13.11.2026 or 2026-11-13.' in text

    def test_filter_of_a_date_column(self, admin_client):
        for day in (0, 1, 2):
            factories.rate("ecommerce", rate_date=factories.SEEN.date() + timedelta(days=day))
        days = {"rate_date_from": "21.11.2026", "rate_date_to": "21.11.2026"}

        response = admin_client.get("/ecommerce/exchangerate/", days)

        shown = [f"{row.rate_date}" for row in response.context["cl"].result_list]
        assert shown == ["2026-11-21"]


class TestNumbers:
    @pytest.mark.parametrize("number", ["100,5", "100.5", "1 00,5"])
    def test_spaces_and_decimal_comma_are_accepted(self, show, number):
        factories.product(external_id="1", min_price=100)
        factories.product(external_id="2", min_price=101)

        assert show("ecommerce_product", min_price_from=number)[0] == ["2"]

    @pytest.mark.parametrize("number", ["abc", "1e400", "nan", "5 x"])
    def test_invalid_number_is_explained(self, show, number):
        text = show("ecommerce_product", 400, min_price_from=number)[1]

        assert f'Price: "{number}" is not a number. Write it as 5300716 or 12.5.' in text


class TestPriceHistory:
    @pytest.fixture
    def show(self, admin_client):
        """Return the prices of the points that the list shows, and the response."""

        def show(**parameters):
            response = admin_client.get("/ecommerce/pricepoint/", parameters)
            assert response.status_code == 200, response.headers
            return [int(point.price) for point in response.context["cl"].result_list], response

        return show

    @pytest.fixture(autouse=True)
    def points(self):
        """Create points 1 to 3 in another order than that of their times."""
        phones = factories.category(name="Смартфоны", path_names="Электроника > Смартфоны")
        product = factories.product(external_id="p77", title="Смартфон Galaxy", category=phones)
        phone = factories.offer(external_id="o77", product=product)
        kettle = factories.offer(
            external_id="o5",
            platform="ozon",
            product=factories.product(external_id="p5", platform="ozon", title="Чайник"),
        )
        for price, offer, day in ((3, phone, 2), (1, kettle, 0), (2, phone, 1)):
            at = factories.SEEN + timedelta(days=day)
            factories.price_point(price=price, offer=offer, recorded_at=at)
        return phone

    def test_newest_observation_comes_first(self, show):
        assert show()[0] == [3, 2, 1]

    def test_sorting(self, show):
        assert show(o="5")[0] == [1, 2, 3]
        assert show(o="1")[0] == [1, 2, 3]

    @pytest.mark.parametrize("term", ["смартфоны", "o77", "p77"])
    def test_search(self, show, term):
        assert show(q=term)[0] == [3, 2]

    def test_search_by_primary_key_of_the_offer(self, show, points):
        assert show(q=str(points.pk))[0] == [3, 2]

    def test_filter_by_platform(self, show):
        assert show(platform="ozon")[0] == [1]

    @pytest.mark.parametrize("name", ["смартф", "электроника"])
    def test_filter_by_category_and_its_ancestors(self, show, name):
        assert show(category=name)[0] == [3, 2]

    def test_large_table_is_not_sorted_without_index(self, show, monkeypatch):
        monkeypatch.setattr(large_tables, "SORT_LIMIT", 2)

        prices, response = show(o="5")

        assert prices == [3, 2, 1]
        assert "too many to sort by price. Search or add a filter first." in (
            response.content.decode()
        )
        assert show(o="5", q="o77")[0] == [2, 3]
        assert show(o="5", platform="uzum")[0] == [2, 3]

    def test_default_order_uses_an_index(self):
        with connections["ecommerce"].cursor() as cursor:
            cursor.execute("SET LOCAL enable_sort = off")
            plan = PricePoint.objects.order_by("-recorded_at").explain()

        assert "recorded_at_idx" in plan

    def test_titles_use_the_time_zone_of_the_project(self, admin_client, points):
        point = points.price_points.latest("recorded_at")

        html = admin_client.get(f"/ecommerce/pricepoint/{point.pk}/change/").content.decode()

        assert f"Offer {points.pk} at 2026-11-22 14:00 (point {point.pk})" in html
