"""The groups of accounts that `init_all` creates, and their permissions in the admin."""

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.urls import reverse

from marketplace.groups import GROUPS, ensure_groups
from marketplace.registry import ALIASES

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def login(client):
    """Log in as a member of a group."""
    ensure_groups()

    def as_member(name):
        user = User.objects.create_user(f"one-{name}", password="x", is_staff=True)
        user.groups.add(Group.objects.get(name=name))
        client.force_login(user)
        return client

    return as_member


class TestEnsureGroups:
    def test_creates_them_once(self):
        assert ensure_groups() == list(GROUPS)
        assert ensure_groups() == []

    def test_an_analyst_sees_all_data_and_changes_nothing(self):
        ensure_groups()

        permissions = Group.objects.get(name="analyst").permissions
        assert set(permissions.values_list("content_type__app_label", flat=True)) == set(ALIASES)
        assert not permissions.exclude(codename__startswith="view_").exists()

    def test_keeps_added_permissions(self):
        ensure_groups()
        added = Permission.objects.get(codename="view_user")
        group = Group.objects.get(name="analyst")
        group.permissions.add(added)
        group.permissions.remove(Permission.objects.get(codename="view_offer"))

        assert ensure_groups() == ["analyst"]
        assert group.permissions.filter(codename__in=["view_user", "view_offer"]).count() == 2


class TestMembers:
    @pytest.mark.parametrize("name", GROUPS)
    def test_every_member_sees_the_data(self, login, name):
        client = login(name)

        for model in ("ecommerce_offer", "classifieds_listing", "procurement_lot"):
            assert client.get(reverse(f"admin:{model}_changelist")).status_code == 200

    @pytest.mark.parametrize(
        ("name", "status"), [("analyst", 403), ("operator", 403), ("administrator", 200)]
    )
    def test_only_an_administrator_sees_accounts(self, login, name, status):
        assert login(name).get(reverse("admin:auth_user_changelist")).status_code == status

    def test_an_administrator_cannot_become_a_superuser(self, login):
        client = login("administrator")
        user = User.objects.get(username="one-administrator")
        url = reverse("admin:auth_user_change", args=[user.pk])

        client.post(url, {"username": user.username, "is_superuser": "on", "is_staff": "on"})

        user.refresh_from_db()
        assert not user.is_superuser

    def test_an_administrator_cannot_set_the_password_of_a_superuser(self, login):
        client = login("administrator")
        root = User.objects.create_superuser("root", password="before")
        url = reverse("admin:auth_user_password_change", args=[root.pk])

        response = client.post(url, {"password1": "Xa-9k-after", "password2": "Xa-9k-after"})

        root.refresh_from_db()
        assert response.status_code == 403
        assert root.check_password("before")
