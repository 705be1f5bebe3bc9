"""Chromium under Playwright: where it is, how it is started, and whether it can be."""

import shutil
import subprocess

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
driver = pytest.importorskip("playwright._impl._driver", reason="playwright has no driver")

EXECUTABLE = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--disable-sync",
]

#: Widths of the viewport in pixels.
DESKTOP, PHONE = 1440, 390
WIDTHS = pytest.mark.parametrize("width", [PHONE, pytest.param(DESKTOP, marks=pytest.mark.slow)])
SCHEMES = pytest.mark.parametrize("scheme", ["dark", pytest.param("light", marks=pytest.mark.slow)])
VIEWS = pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (PHONE, "dark"),
        (DESKTOP, "light"),
        pytest.param(PHONE, "light", marks=pytest.mark.slow),
        pytest.param(DESKTOP, "dark", marks=pytest.mark.slow),
    ],
)


def _missing():
    """Return what the system lacks for the tests; empty if nothing."""
    if EXECUTABLE is None:
        return "no Chromium: apt-get install chromium"
    node, _ = driver.compute_driver_executable()
    result = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    if result.returncode:
        return f"no driver: apt-get install libatomic1 ({result.stderr.strip()})"
    return ""


MISSING = _missing()

MARKS = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    # The folder of collected static files is created where the project is deployed.
    pytest.mark.filterwarnings("ignore:No directory at"),
]


def overflow(page):
    """Return by how many pixels a page is wider than the viewport."""
    # After a click, another page may be loading, which has no element yet.
    page.wait_for_load_state("domcontentloaded")
    page.wait_for_function("document.documentElement")
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
