"""Creating a platform: its files can be loaded, and pass the checks and the style checks."""

import os
import shutil
import subprocess
import sys

import pytest
from django.conf import settings

from marketplace import scaffold
from marketplace.exceptions import MarketplaceError
from tests.commands import run

IGNORED = shutil.ignore_patterns(".git", ".venv", ".data", "__pycache__", ".*_cache")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project with a new platform in each database."""
    root = tmp_path_factory.mktemp("copy") / "project"
    shutil.copytree(settings.BASE_DIR, root, ignore=IGNORED, symlinks=True)
    call(root, "manage.py", "startplatform", "shopzz", "ecommerce", "--title", 'The "Bozor"')
    call(root, "manage.py", "startplatform", "adszz", "classifieds")
    call(root, "manage.py", "startplatform", "lotszz", "procurement")
    return root


def call(root, *arguments):
    """Run a program in the copy and return its output; fail if it fails."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "DATA_DIR": str(root.parent / "data"),
    }
    result = subprocess.run(
        [sys.executable, *arguments], cwd=root, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


class TestStartplatform:
    def test_passes_the_checks_of_shapes(self, project):
        assert "no issues" in call(project, "manage.py", "check", "--fail-level", "WARNING")

    def test_passes_the_style_checks(self, project):
        call(project, "-m", "ruff", "check", ".")
        call(project, "-m", "ruff", "format", "--check", ".")

    @pytest.mark.slow
    def test_passes_its_own_tests(self, project):
        files = ["tests/ecommerce/test_shopzz.py", "tests/classifieds/test_adszz.py"]
        files += ["tests/procurement/test_lotszz.py", "tests/marketplace/loading/test_samples.py"]

        assert " passed" in call(project, "-m", "pytest", "-q", *files)

    def test_a_dry_run_lists_the_files(self):
        outcome = run("startplatform", "shopzz", "ecommerce", "--dry-run")

        assert outcome.out == (
            "Would write ecommerce/platforms/shopzz.py, ecommerce/platforms/samples/shopzz.json, "
            "tests/ecommerce/test_shopzz.py, marketplace/registry.py\n"
        )
        assert not (settings.BASE_DIR / "ecommerce/platforms/shopzz.py").exists()

    @pytest.mark.parametrize(
        ("name", "database", "message"),
        [
            ("uzum", "ecommerce", "The platform uzum is registered already"),
            ("Bozor", "ecommerce", "Bozor cannot be the name of a platform"),
            ("the-bozor", "ecommerce", "the-bozor cannot be the name of a platform"),
            ("shopzz", "default", "The database default does not exist. Choose from ecommerce,"),
            ("schema_org", "ecommerce", "schema_org cannot be the name of a platform"),
        ],
    )
    def test_refuses_invalid_names(self, name, database, message):
        with pytest.raises(MarketplaceError, match=message):
            scaffold.plan(name, database, "Title")
