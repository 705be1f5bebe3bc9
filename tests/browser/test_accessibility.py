"""axe finds no serious or critical violation of accessibility on any page, light and dark."""

from itertools import cycle
from pathlib import Path

import axe_playwright_python
import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.urls import reverse

from marketplace.api import tokens
from marketplace.questions.definition import read_questions
from marketplace.registry import ALIASES
from tests.browser.chromium import DESKTOP, MARKS, PHONE
from tests.questions import analysts  # noqa: F401

pytestmark = [*MARKS, pytest.mark.usefixtures("analysts")]

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text()

#: The navigation is the same on all pages: it is checked on the first one.
_VIOLATIONS = """
    ([isFirst, rules]) => axe.run(
        isFirst ? document : { exclude: [["#nav-sidebar"]] },
        { resultTypes: ["violations"], preload: false, ...(rules && { runOnly: rules }) },
    ).then(({ violations }) =>
        violations
            .filter(({ impact }) => ["serious", "critical"].includes(impact))
            .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`)))
"""

#: The rules whose result depends on colors and sizes; that of the others depends on the elements.
_VISUAL_RULES = ["color-contrast", "link-in-text-block", "scrollable-region-focusable"]

_PANELS_ARE_LOADED = """
    () => ![...document.querySelectorAll(".mp-panel")].some(
        (panel) => panel.innerText.includes("Open the question by its title"))
"""


@pytest.fixture
def pages(rows, admin_user):
    """Return the addresses of all other kinds of pages, with their status."""
    tokens.issue(admin_user, "notebook", 1)
    user = User.objects.create_user("reader", password="password", is_staff=True)
    addresses = ["/", "/databases/", "/questions/", "/password_change/", "/password_change/done/"]
    addresses += [f"/{ALIASES[0]}/review/"]
    addresses += ["/ecommerce/product/?q=kettle", "/api/docs"]
    addresses += ["/questions/ecommerce/price_history/?plan=1"]
    # The tables about loads are the same in all databases.
    models = {model._meta.model_name: model for model in admin.site._registry}
    for model in models.values():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        addresses.append(reverse(f"{name}_changelist"))
        if row := model._default_manager.first():
            addresses.append(reverse(f"{name}_change", args=(row.pk,)))
    for page in ("history", "delete", "password_change"):
        addresses.append(reverse(f"admin:auth_user_{page}", args=(user.pk,)))
    addresses += [reverse("admin:auth_user_add"), reverse("admin:auth_group_add")]
    errors = {
        "/no-such-page/": 404,
        "/ecommerce/offer/?price__gte=x": 400,
        "/questions/ecommerce/price_history/?since=yesterday": 400,
    }
    return dict.fromkeys(addresses, 200) | errors


@pytest.fixture
def start(browser, live_server):
    """Return a function that logs an account in and returns its page."""

    def start(name):
        # Routes, as in `open_page`, would switch the cache of the browser off.
        context = browser.new_context(
            viewport={"width": DESKTOP, "height": 900}, base_url=live_server.url
        )
        page = context.new_page()
        page.goto("/login/", wait_until="domcontentloaded")
        page.fill("[name=username]", name)
        page.fill("[name=password]", "password")
        page.click("button[type=submit]")
        page.wait_for_url("**/")
        return page

    return start


#: Widths of the viewport for the two schemes of a page, which alternate.
_WIDTHS = cycle((DESKTOP, PHONE, PHONE, DESKTOP))


def violations(page, *, is_first=False):
    """Return the violations of the open page: light, and dark at another width."""
    found = []
    page.wait_for_function(_PANELS_ARE_LOADED)
    page.evaluate(AXE)
    for scheme, rules in (("light", None), ("dark", _VISUAL_RULES)):
        page.set_viewport_size({"width": next(_WIDTHS), "height": 900})
        page.evaluate(
            "dark => document.documentElement.classList.toggle('dark', dark)", scheme == "dark"
        )
        lines = page.evaluate(_VIOLATIONS, [is_first, rules])
        found += [f"{page.url} {scheme} {line}" for line in lines]
    return found


def look(page, address, status=200):
    """Return the violations of an address, whose status is asserted."""
    response = page.goto(address, wait_until="domcontentloaded")
    assert (response.status, address) == (status, address)
    return violations(page, is_first=address == "/")


def submit(page, selector):
    """Click a button; return the violations of the page that it leads to."""
    with page.expect_navigation(wait_until="domcontentloaded") as navigation:
        page.locator(selector).first.click()
    assert navigation.value.status == 200
    return violations(page)


@pytest.mark.usefixtures("answers")
def test_no_answer_has_a_serious_violation(start):
    page = start("admin")
    found, empty = [], []

    for question in read_questions()[0].values():
        address = reverse("question", args=(question.alias, question.short_name))
        found += look(page, address)
        if not page.locator(".mp-table tbody td:not([colspan])").count():
            empty.append(address)

    assert (found, empty) == ([], [])


def test_no_page_has_a_serious_violation(pages, start):
    page = start("admin")

    assert [line for item in pages.items() for line in look(page, *item)] == []


def test_no_confirmation_has_a_serious_violation(pages, start):
    page = start("admin")
    found = []

    for address, action in (
        ("/auth/user/", "delete_selected"),
        ("/ecommerce/quarantinedrecord/", "discard"),
    ):
        page.set_viewport_size({"width": DESKTOP, "height": 900})
        page.goto(address, wait_until="domcontentloaded")
        page.locator(".action-select").first.check()
        page.select_option("select[name=action]", action)
        found += submit(page, "#changelist-actions button[type=submit]")
    page.set_viewport_size({"width": DESKTOP, "height": 900})
    page.goto("/", wait_until="domcontentloaded")
    page.locator("text=unfold_more >> visible=true").click()
    found += submit(page, "#logout-form button >> visible=true")

    assert found == []


def test_no_refusal_has_a_serious_violation(pages, start, monkeypatch):
    page = start("reader")
    found = look(page, "/ecommerce/product/", 403) + look(page, "/", 200)
    monkeypatch.setattr("marketplace.questions.views.read_questions", lambda: 1 / 0)
    found += look(page, "/questions/", 500)
    page.context.clear_cookies()
    found += look(page, "/login/")

    assert found == []
