"""The system checks."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from django.db import models
from django.test.utils import isolate_apps

from ecommerce import platforms
from ecommerce.records import Product
from marketplace import registry
from marketplace.checks import project as checks
from marketplace.loading.adapters import Item, Parsed, Shape
from marketplace.registry import Platform
from procurement.models import Lot


class TestModels:
    def test_the_project_has_no_errors(self):
        assert checks.check_models(None) == []
        assert checks.check_platforms(None) == []

    @isolate_apps("marketplace")
    def test_reports_a_model_without_a_database(self):
        class Stray(models.Model):  # noqa: DJ008 # never printed
            class Meta:
                app_label = "stranger"

        [error] = checks._check_model(Stray)

        assert error.id == "marketplace.E001"
        assert error.msg == "stranger.Stray has no database: its app is not in the registry."

    @isolate_apps("ecommerce")
    def test_reports_a_relation_to_another_database(self):
        class Crossing(models.Model):  # noqa: DJ008 # never printed
            lot = models.ForeignKey(Lot, models.CASCADE, related_name="+")

            class Meta:
                app_label = "ecommerce"

        [error] = checks._check_model(Crossing)

        assert error.id == "marketplace.E002"
        assert "ecommerce.Crossing.lot references procurement.Lot" in error.msg


class TestPlatforms:
    def check(self, monkeypatch, *platforms):
        changed = (*registry.PLATFORMS, *platforms)
        monkeypatch.setattr(checks, "PLATFORMS", changed)
        return [error.id for error in checks.check_platforms(None)]

    def test_reports_a_platform_with_an_unknown_database(self, monkeypatch):
        platform = Platform("shop", "warehouse", "Shop")

        assert self.check(monkeypatch, platform) == ["marketplace.E003"]

    def test_accepts_a_platform_without_an_adapter(self, monkeypatch):
        platform = Platform("shop", "ecommerce", "Shop")

        assert self.check(monkeypatch, platform) == []

    def test_reports_an_adapter_that_cannot_be_imported(self, monkeypatch, tmp_path):
        platform = Platform("broken_shop", "ecommerce", "Shop")
        (tmp_path / "broken_shop.py").write_text("import no_such_module")
        monkeypatch.setattr(platforms, "__path__", [*platforms.__path__, str(tmp_path)])

        assert self.check(monkeypatch, platform) == ["marketplace.E004"]

    def test_reports_shapes_that_are_not_shapes(self, monkeypatch):
        monkeypatch.setattr("ecommerce.platforms.uzum.SHAPES", ("UZ-API",))

        assert self.check(monkeypatch) == ["marketplace.E004"]

    def test_reports_a_duplicate_platform(self, monkeypatch):
        assert self.check(monkeypatch, registry.PLATFORMS[0]) == ["marketplace.E005"]


def shape(name="T-LIST", key="t_items", **changes):
    """Return a shape of documents with a list of ids under a key."""

    def split(document, source):
        return (Item(name, {"id": value}) for value in document[key])

    def parse(payload, context):
        return Parsed(str(payload["id"]), [Product(str(payload["id"]))])

    return replace(Shape(name, lambda document: key in document, split, parse), **changes)


SAMPLE = {"t_items": [1, 2]}


def fail(document):
    raise KeyError("no such key")


class TestShapes:
    @pytest.fixture
    def check(self, monkeypatch, tmp_path, settings):
        """Check the registered platforms and a further one with this adapter and these samples."""
        (tmp_path / "ecommerce/platforms").mkdir(parents=True)
        for app in ("ecommerce", "classifieds", "procurement"):
            samples = Path(settings.BASE_DIR) / app / "platforms/samples"
            shutil.copytree(samples, tmp_path / app / "platforms/samples")
        settings.BASE_DIR = tmp_path
        platform = Platform("bazaar", "ecommerce", "Bazaar")
        monkeypatch.setattr(checks, "PLATFORMS", (*registry.PLATFORMS, platform))

        def check(shapes, samples):
            module = ModuleType("ecommerce.platforms.bazaar")
            module.SHAPES = shapes
            monkeypatch.setitem(sys.modules, module.__name__, module)
            path = tmp_path / "ecommerce/platforms/samples/bazaar.json"
            if samples is not None:
                path.write_text(samples if isinstance(samples, str) else json.dumps(samples))
            return checks.check_platforms(None)

        return check

    def test_accepts_a_shape_that_reads_its_samples(self, check):
        assert check((shape(),), {"T-LIST": SAMPLE}) == []

    @pytest.mark.parametrize(
        ("shapes", "message"),
        [
            (shape(), "it is a Shape. A tuple of one needs a comma"),
            ((), "it is an empty tuple"),
            ((shape(), "T"), "it is a tuple with str"),
            (None, "it is nothing"),
        ],
    )
    def test_reports_shapes_that_are_not_a_tuple(self, check, shapes, message):
        [error] = check(shapes, {"T-LIST": SAMPLE})

        assert error.id == "marketplace.E004"
        assert "SHAPES of ecommerce/platforms/bazaar.py must be a tuple" in error.msg
        assert message in error.msg

    def test_reports_a_missing_comma(self, monkeypatch, tmp_path):
        (tmp_path / "bazaar.py").write_text(
            "from marketplace.loading.adapters import Shape\n"
            "SHAPES = (\n"
            "    Shape('A', dict, dict, dict)\n"
            "    ('B', dict, dict, dict),\n"
            ")\n"
        )
        monkeypatch.setattr(platforms, "__path__", [str(tmp_path)])
        monkeypatch.setattr(checks, "PLATFORMS", (Platform("bazaar", "ecommerce", "Bazaar"),))

        [error] = checks.check_platforms(None)

        assert error.id == "marketplace.E004"
        assert "ecommerce/platforms/bazaar.py cannot be imported" in error.msg
        assert "(bazaar.py, line 3). A comma is missing between two shapes." in error.msg

    @pytest.mark.parametrize(
        ("samples", "message"),
        [
            (None, "Cannot read the file of samples ecommerce/platforms/samples/bazaar.json"),
            ("{", "is not JSON"),
            ("[]", "is not a JSON object"),
            ({}, "The shape T-LIST of bazaar has no sample."),
            ({"T-LIST": []}, "The shape T-LIST of bazaar has no sample."),
        ],
    )
    def test_reports_a_missing_sample(self, check, samples, message):
        [error] = check((shape(),), samples)

        assert error.id == "marketplace.E010"
        assert message in error.msg

    def test_reports_a_sample_without_a_shape(self, check):
        [error] = check((shape(),), {"T-LIST": SAMPLE, "T-LITS": SAMPLE})

        assert error.id == "marketplace.E011"
        assert "a sample of T-LITS, which is not a shape of bazaar" in error.msg
        assert error.hint == "Use one of T-LIST, or remove the sample."

    @pytest.mark.parametrize("name", ["", "TABLE"])
    def test_reports_an_invalid_name_of_a_shape(self, check, name):
        [error] = check((shape(name),), {name: SAMPLE})

        assert error.id == "marketplace.E011"

    def test_reports_an_unrecognized_sample(self, check):
        [error] = check((shape(),), {"T-LIST": {"t_itmes": []}})

        assert error.id == "marketplace.E012"
        assert error.msg == "recognize() of T-LIST of bazaar does not recognize its sample."

    def test_reports_both_shapes_that_match_a_document(self, check):
        greedy = shape("T-ANY", recognize=lambda document: "payload" in document)

        [error] = check(
            (greedy, shape()), {"T-ANY": {"payload": 1, "t_items": [1]}, "T-LIST": SAMPLE}
        )

        assert error.id == "marketplace.E013"
        assert error.msg == "T-ANY of bazaar also matches the sample of UZ-API of uzum."
        assert "T-ANY (ecommerce/platforms/bazaar.py)" in error.hint
        assert "UZ-API (ecommerce/platforms/uzum.py)" in error.hint

    def test_reports_a_shape_hidden_by_an_earlier_one(self, check):
        [error] = check((shape("T-ALL"), shape()), {"T-ALL": SAMPLE, "T-LIST": SAMPLE})

        assert error.msg == "T-ALL of bazaar also matches the sample of T-LIST of bazaar."

    def test_reports_a_shape_that_matches_any_document(self, check):
        [error] = check((shape("T-LIST", "results"),), {"T-LIST": {"results": [1]}})

        assert error.id == "marketplace.E013"
        assert "which could be a payload of any platform" in error.msg

    def test_reports_an_adapter_that_fails_on_unknown_documents(self, check):
        [error] = check((shape(recognize=fail),), {"T-LIST": SAMPLE})

        assert error.id == "marketplace.E012"
        assert "recognize() of bazaar raised an error for the sample of UZ-API of uzum" in error.msg
        assert "KeyError: 'no such key' (test_checks.py, line" in error.msg

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"split": lambda document, source: iter([Item("T-LITS", {})])}, "shape T-LITS, which"),
            ({"split": lambda document, source: iter([])}, "it has no records"),
            ({"split": lambda document, source: fail(document)}, "no such key"),
            ({"parse": lambda payload, context: fail(payload)}, "no such key"),
            ({"parse": lambda payload, context: Parsed("1", [Product(1)])}, "Product.external_id"),
            ({"parse": lambda payload, context: Parsed("1", [Lot("1")])}, "Lot, which is not a"),
        ],
    )
    def test_reports_a_sample_that_cannot_be_read(self, check, changes, message):
        [error] = check((shape(**changes),), {"T-LIST": SAMPLE})

        assert error.id == "marketplace.E014"
        assert message in error.msg
        assert "ecommerce/platforms/bazaar.py" in error.hint


class TestUsers:
    def check(self, settings, monkeypatch, **config):
        monkeypatch.setitem(settings.DATABASES, "ecommerce", config)
        return [warning for warning in checks.check_users(None) if "ecommerce" in warning.msg]

    def test_reports_one_that_the_embedded_server_ignores(self, settings, monkeypatch):
        [warning] = self.check(settings, monkeypatch, HOST="", USER="shop")

        assert warning.id == "marketplace.W001"
        assert "user shop of database ecommerce is ignored" in warning.msg
        assert "ECOMMERCE_DB_HOST" in warning.hint

    @pytest.mark.parametrize(("host", "user"), [("db.example", "shop"), ("", "postgres"), ("", "")])
    def test_accepts_one_that_is_used(self, settings, monkeypatch, host, user):
        assert self.check(settings, monkeypatch, HOST=host, USER=user) == []


class TestTokens:
    def check(self, settings, *tokens):
        settings.INGEST_TOKENS = tokens
        return checks.check_tokens(None)

    def test_accepts_long_ones_of_existing_platforms(self, settings):
        assert self.check(settings, ("uzum", "x" * 16), ("uzum", "y" * 16)) == []
        assert self.check(settings) == []

    def test_reports_the_platform_of_a_weak_one(self, settings):
        [error] = self.check(settings, ("uzum", "x" * 15))

        assert error.id == "marketplace.E007"
        assert error.msg == "The token of uzum in INGEST_TOKENS has fewer than 16 characters."

    def test_does_not_print_one_of_an_unknown_platform(self, settings):
        [error] = self.check(settings, ("secret-without-a-platform", ""))

        assert error.id == "marketplace.E007"
        assert "secret" not in error.msg + str(error.hint)
