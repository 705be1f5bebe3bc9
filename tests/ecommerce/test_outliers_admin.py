"""Outliers in the admin: listed, released, left out of the figures."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from ecommerce.models import Offer, PricePoint
from tests.ecommerce.observing import marked, observe, one_by_one

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


def act(client, action, points):
    """Select points and choose an action; return what the page says."""
    selected = {"action": action, "_selected_action": [point.pk for point in points]}
    response = client.post(reverse(LIST), selected, follow=True)
    return [str(message) for message in response.context["messages"]]


class TestAdmin:
    def test_marked_prices_can_be_listed(self, admin_client, points):
        response = admin_client.get(reverse(LIST), {"is_outlier": "yes"})

        assert list(response.context["cl"].result_list) == [points[1]]

    def test_they_are_released_and_restored(self, admin_client, points):
        messages = act(admin_client, "release", points)

        assert messages[-1] == "1 released."
        assert len([text for text in messages if "is not marked" in text]) == 2
        assert PricePoint.objects.get(pk=points[1].pk).is_outlier is False
        assert act(admin_client, "restore", points[1:2]) == ["1 marked again."]
        assert marked() == [1]

    def test_who_may_only_look_cannot_release(self, client, django_user_model, points):
        reader = django_user_model.objects.create_user("reader", is_staff=True)
        reader.user_permissions.add(permission("view_pricepoint"))
        client.force_login(reader)

        act(client, "release", points)

        assert marked() == [1]

    def test_the_offers_page_leaves_them_out(self, admin_client, points):
        url = reverse("admin:ecommerce_offer_change", args=(Offer.objects.get().pk,))

        html = admin_client.get(url).content.decode()

        assert "Outliers not shown: 1." in html
        figures = html[html.index("Lowest price") :]
        assert figures.index("100 UZS") < figures.index("Average price")


def permission(codename):
    return Permission.objects.get(codename=codename, content_type__app_label="ecommerce")
