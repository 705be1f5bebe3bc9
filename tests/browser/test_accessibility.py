"""axe finds no serious or critical violation of accessibility on any page."""

from pathlib import Path

import axe_playwright_python
import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.urls import reverse

from marketplace.api import tokens
from marketplace.registry import ALIASES
from tests.browser.chromium import DESKTOP, MARKS, PHONE
from tests.questions import analysts  # noqa: F401

pytestmark = [*MARKS, pytest.mark.usefixtures("analysts")]

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text()

_VIOLATIONS = """
    axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) =>
        violations
            .filter(({ impact }) => ["serious", "critical"].includes(impact))
            .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`)))
"""


_PANELS_ARE_LOADED = """
    () => ![...document.querySelectorAll(".mp-panel")].some(
        (panel) => panel.innerText.includes("Open the question by its title"))
"""


@pytest.fixture
def pages(rows, admin_user):
    """Return the addresses of all kinds of pages: lists and rows of each model, and the others."""
    tokens.issue(admin_user, "notebook", 1)
    addresses = ["/", "/databases/", "/questions/", "/password_change/", "/no-such-page/"]
    addresses += [f"/{alias}/review/" for alias in ALIASES]
    addresses += ["/ecommerce/product/?q=kettle", "/ecommerce/offer/?price__gte=x", "/api/docs"]
    question = "/questions/ecommerce/price_history/"
    addresses += [question, f"{question}?since=yesterday", f"{question}?plan=1"]
    addresses += ["/questions/procurement/savings/"]
    for model in admin.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        addresses.append(reverse(f"{name}_changelist"))
        if row := model._default_manager.first():
            addresses.append(reverse(f"{name}_change", args=(row.pk,)))
    user = User.objects.first()
    for page in ("history", "delete", "password_change"):
        addresses.append(reverse(f"admin:auth_user_{page}", args=(user.pk,)))
    return [*addresses, reverse("admin:auth_user_add"), reverse("admin:auth_group_add")]


def violations(page):
    """Return the serious and critical violations of the open page."""
    page.evaluate(AXE)
    return page.evaluate(_VIOLATIONS)


def look(page, address):
    """Return the violations of an address: light on a desktop, and dark on a phone."""
    page.set_viewport_size({"width": DESKTOP, "height": 900})
    page.goto(address, wait_until="load")
    page.wait_for_function(_PANELS_ARE_LOADED)
    found = violations(page)
    page.set_viewport_size({"width": PHONE, "height": 900})
    page.evaluate("document.documentElement.classList.add('dark')")
    found += violations(page)
    return [f"{address} {violation}" for violation in found]


def test_no_page_has_a_serious_violation(pages, open_page):
    page = open_page(DESKTOP, "light")

    assert [line for address in pages for line in look(page, address)] == []


def test_the_login_has_no_serious_violation(browser, live_server):
    page = browser.new_context(base_url=live_server.url).new_page()

    assert look(page, "/login/") == []
