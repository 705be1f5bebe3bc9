"""Each app has one database: a table of apps and aliases."""

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session

from classifieds.models import Listing
from ecommerce.models import Product, Seller
from marketplace.routers import AppRouter, database_of
from procurement.models import Lot

ALL = ("default", "ecommerce", "classifieds", "procurement")
DATABASES_OF_MODELS = [
    (Product, "ecommerce"),
    (Listing, "classifieds"),
    (Lot, "procurement"),
    (User, "default"),
    (Session, "default"),
]


class TestRouter:
    @pytest.mark.parametrize(("model", "alias"), DATABASES_OF_MODELS)
    def test_reads_and_writes_in_the_database_of_the_app(self, model, alias):
        assert AppRouter().db_for_read(model) == alias
        assert AppRouter().db_for_write(model) == alias

    @pytest.mark.parametrize(("model", "alias"), DATABASES_OF_MODELS)
    @pytest.mark.parametrize("database", ALL)
    def test_migrates_in_the_database_of_the_app_only(self, model, alias, database):
        label = model._meta.app_label

        assert AppRouter().allow_migrate(database, label) is (database == alias)

    @pytest.mark.parametrize("database", ALL)
    def test_migrates_unknown_apps_nowhere(self, database):
        assert AppRouter().allow_migrate(database, "unknown") is False

    def test_relates_within_a_database_only(self):
        assert AppRouter().allow_relation(Product(), Seller())
        assert not AppRouter().allow_relation(Product(), Lot())
        assert not AppRouter().allow_relation(Product(), User())

    def test_every_model_has_a_database(self):
        models = [
            model for model in apps.get_models() if database_of(model._meta.app_label) is None
        ]

        assert models == []
