"""Password verifiers of roles."""

import pytest
from django.db import connections

from marketplace.databases.roles.definitions import roles_of
from marketplace.databases.roles.passwords import is_password, matches, verifier

pytestmark = pytest.mark.django_db(databases=["classifieds"])


@pytest.fixture
def cursor():
    with connections["classifieds"].cursor() as cursor:
        yield cursor


@pytest.mark.parametrize("password", ["Kq4-_x", "choynak ☕", "пароль", "a" * 200])
class TestMatches:
    def test_matches_a_verifier_of_the_client_library(self, cursor, password):
        stored = verifier(cursor, "somebody", password)

        assert matches(stored, password)
        assert not matches(stored, password + "x")
        assert password not in stored

    def test_matches_a_verifier_of_the_server(self, cursor, password):
        cursor.execute("CREATE ROLE test_reader PASSWORD %(password)s", {"password": password})

        assert is_password(cursor, "classifieds", "test_reader", password)
        assert not is_password(cursor, "classifieds", "test_reader", password[:-1])


class TestNoPassword:
    @pytest.mark.parametrize("stored", [None, "", "md5d41d8cd98f00b204e9800998ecf8427e"])
    def test_matches_nothing(self, stored):
        assert not matches(stored, "")


class TestNames:
    def test_follow_the_database(self, monkeypatch):
        monkeypatch.setitem(connections["classifieds"].settings_dict, "NAME", "shop_2")

        names = [role.name for role in roles_of("classifieds")]

        assert names == ["shop_2_owner", "shop_2_loader", "shop_2_analyst"]

    def test_of_long_database_names_are_short_and_unique(self, monkeypatch):
        names = []
        for name in ("й" * 31 + "1", "й" * 31 + "2"):
            monkeypatch.setitem(connections["classifieds"].settings_dict, "NAME", name)
            names += [role.name for role in roles_of("classifieds")]

        assert len(set(names)) == 6
        assert all(len(name.encode()) <= 63 for name in names)
