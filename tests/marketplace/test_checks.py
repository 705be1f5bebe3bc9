"""System checks: what would break the separation of the databases is named."""

import pytest
from django.db import models
from django.test.utils import isolate_apps

from ecommerce import platforms
from marketplace import checks, registry
from marketplace.registry import Platform
from procurement.models import Lot


class TestHomes:
    def test_the_project_is_clean(self):
        assert checks.check_homes(None) == []
        assert checks.check_platforms(None) == []

    @isolate_apps("marketplace")
    def test_names_a_model_that_no_database_owns(self):
        class Stray(models.Model):  # noqa: DJ008 # never printed
            class Meta:
                app_label = "stranger"

        [error] = checks._check_model(Stray)

        assert error.id == "marketplace.E001"
        assert error.msg == "stranger.Stray has no database: no app of the registry owns it."

    @isolate_apps("ecommerce")
    def test_names_a_relation_that_leaves_its_database(self):
        class Crossing(models.Model):  # noqa: DJ008 # never printed
            lot = models.ForeignKey(Lot, models.CASCADE, related_name="+")

            class Meta:
                app_label = "ecommerce"

        [error] = checks._check_model(Crossing)

        assert error.id == "marketplace.E002"
        assert "ecommerce.Crossing.lot points to procurement.Lot" in error.msg


class TestPlatforms:
    def check(self, monkeypatch, *platforms):
        changed = (*registry.PLATFORMS, *platforms)
        monkeypatch.setattr(checks, "PLATFORMS", changed)
        return [error.id for error in checks.check_platforms(None)]

    def test_names_a_platform_of_an_unknown_database(self, monkeypatch):
        platform = Platform("shop", "warehouse", "Shop")

        assert self.check(monkeypatch, platform) == ["marketplace.E003"]

    def test_lets_a_platform_be_loaded_from_tables_only(self, monkeypatch):
        platform = Platform("shop", "ecommerce", "Shop")

        assert self.check(monkeypatch, platform) == []

    def test_names_an_adapter_that_cannot_be_imported(self, monkeypatch, tmp_path):
        platform = Platform("broken_shop", "ecommerce", "Shop")
        (tmp_path / "broken_shop.py").write_text("import no_such_module")
        monkeypatch.setattr(platforms, "__path__", [*platforms.__path__, str(tmp_path)])

        assert self.check(monkeypatch, platform) == ["marketplace.E004"]

    def test_names_shapes_that_are_none(self, monkeypatch):
        monkeypatch.setattr("ecommerce.platforms.uzum.SHAPES", ("UZ-API",))

        assert self.check(monkeypatch) == ["marketplace.E006"]

    def test_names_a_platform_that_is_registered_twice(self, monkeypatch):
        assert self.check(monkeypatch, registry.PLATFORMS[0]) == ["marketplace.E005"]


class TestUsers:
    def check(self, settings, monkeypatch, **config):
        monkeypatch.setitem(settings.DATABASES, "ecommerce", config)
        return [warning for warning in checks.check_users(None) if "ecommerce" in warning.msg]

    def test_names_one_that_the_embedded_server_ignores(self, settings, monkeypatch):
        [warning] = self.check(settings, monkeypatch, HOST="", USER="shop")

        assert warning.id == "marketplace.W001"
        assert "user shop of database ecommerce is not used" in warning.msg
        assert "ECOMMERCE_DB_HOST" in warning.hint

    @pytest.mark.parametrize(("host", "user"), [("db.example", "shop"), ("", "postgres"), ("", "")])
    def test_accepts_one_that_is_used(self, settings, monkeypatch, host, user):
        assert self.check(settings, monkeypatch, HOST=host, USER=user) == []


class TestTokens:
    def check(self, settings, *tokens):
        settings.INGEST_TOKENS = tokens
        return checks.check_tokens(None)

    def test_accepts_long_ones_of_platforms_that_exist(self, settings):
        assert self.check(settings, ("uzum", "x" * 16), ("uzum", "y" * 16)) == []
        assert self.check(settings) == []

    def test_names_the_platform_of_one_that_can_be_guessed(self, settings):
        [error] = self.check(settings, ("uzum", "x" * 15))

        assert error.id == "marketplace.E007"
        assert error.msg == "The token of uzum in INGEST_TOKENS has less than 16 characters."

    def test_does_not_show_one_whose_platform_is_unknown(self, settings):
        [error] = self.check(settings, ("secret-without-a-platform", ""))

        assert error.id == "marketplace.E007"
        assert "secret" not in error.msg + str(error.hint)
