"""Outliers in the admin: listed, released, left out of the figures."""

import pytest
from django.urls import reverse

from ecommerce.models import Offer, PricePoint
from tests.ecommerce.observing import observe, one_by_one

pytestmark = [
    pytest.mark.django_db(databases="__all__"),
    # The folder of collected static files is made where the project is deployed.
    pytest.mark.filterwarnings("ignore:No directory at"),
]

LIST = "admin:ecommerce_pricepoint_changelist"


@pytest.fixture
def points():
    """Return three points, of which the one in the middle is marked."""
    one_by_one(observe(100, 1, 100))
    return list(PricePoint.objects.order_by("recorded_at"))


class TestAdmin:
    def test_marked_prices_can_be_listed(self, admin_client, points):
        response = admin_client.get(reverse(LIST), {"is_outlier": "yes"})

        assert list(response.context["cl"].result_list) == [points[1]]

    def test_the_offers_page_leaves_them_out(self, admin_client, points):
        url = reverse("admin:ecommerce_offer_change", args=(Offer.objects.get().pk,))

        html = admin_client.get(url).content.decode()

        assert html.count(">outlier<") == 1
        figures = html[html.index("Lowest price") :]
        assert figures.index("100 UZS") < figures.index("Average price")
