"""The pages in a real browser: desk and telephone, light and dark."""

import shutil
import subprocess
from datetime import timedelta
from decimal import Decimal

import pytest

from tests import factories

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
driver = pytest.importorskip("playwright._impl._driver", reason="playwright has no driver")

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


def _missing():
    """Return what the tests need and the system does not have; empty if all is there."""
    if CHROMIUM is None:
        return "no Chromium: apt-get install chromium"
    node, _ = driver.compute_driver_executable()
    started = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    if started.returncode:
        return f"no driver: apt-get install libatomic1 ({started.stderr.strip()})"
    return ""


MISSING = _missing()

pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.skipif(bool(MISSING), reason=MISSING),
    # The folder of collected static files is made where the project is deployed.
    pytest.mark.filterwarnings("ignore:No directory at"),
]

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--disable-sync",
]

DESK, TELEPHONE = 1440, 390
BOTH_WIDTHS = pytest.mark.parametrize("width", [DESK, TELEPHONE])
BOTH_SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])

LONG_TITLE = "Смартфон Apple iPhone 15 Pro 256 ГБ, титановый синий, с гарантией производителя, " * 3


@pytest.fixture
def rows():
    """Rows with long texts, unknown values and a history of prices; name → address."""
    product = factories.product(title=LONG_TITLE, images=["https://img.example/1.jpg"])
    for name in ("256 ГБ, синий", "512 GB, qora", None):
        offer = factories.offer(product=product, variant_title=name, price=5300716)
        for day in range(0, 120, 7):
            factories.price_point(
                offer=offer,
                price=5300716 + day * 10_000,
                recorded_at=factories.SEEN - timedelta(days=day),
            )
    listing = factories.listing(
        title=LONG_TITLE,
        images=["https://img.example/2.jpg"] * 5,
        latitude="41.3648",
        longitude="69.2871",
    )
    factories.listing_event(listing=listing)
    customer = factories.organization(name=LONG_TITLE)
    lot = factories.lot(customer=customer, start_cost=15300716, deal_cost=Decimal("13000000.50"))
    factories.lot_item(lot=lot, product_name=LONG_TITLE)
    factories.lot_event(lot=lot)
    quarantined = factories.quarantined("ecommerce", b'{"title": "%s"}' % (b"x" * 5000))
    factories.load_run("ecommerce", platform="uzum")
    return {
        "/": "ECOMMERCE",
        "/ecommerce/product/": "5 300 716 UZS",
        f"/ecommerce/product/{product.pk}/change/": "Price history, UZS",
        "/ecommerce/offer/": "5 300 716 UZS",
        "/classifieds/listing/": "12 500.50 USD",
        f"/classifieds/listing/{listing.pk}/change/": "on OpenStreetMap",
        "/procurement/lot/": "15 300 716 UZS",
        f"/procurement/lot/{lot.pk}/change/": "2 300 715.50 UZS",
        f"/ecommerce/quarantinedrecord/{quarantined.pk}/change/": "is not a number",
        "/ecommerce/loadrun/": "Completed",
    }


@pytest.fixture
def browser(rows, admin_user, live_server):
    """A browser without a network."""
    # The rows come first and go last: Playwright's loop runs in this thread, and while it does,
    # Django takes every query for a mistake.
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def open_page(browser, live_server):
    """Open a page that is logged in, and note what it complains of."""

    def open_page(width, scheme):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, base_url=live_server.url
        )
        context.set_default_timeout(10_000)
        page = context.new_page()
        page.complaints = []
        page.outside = []
        page.on("console", lambda message: _note(page, message))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.route(lambda url: not url.startswith(live_server.url), lambda r: _refuse(page, r))
        page.goto("/login/")
        page.fill("[name=username]", "admin")
        page.fill("[name=password]", "password")
        page.click("button[type=submit]")
        page.wait_for_url("**/")
        return page

    return open_page


def _note(page, message):
    if message.type in ("error", "warning"):
        page.complaints.append(message.text)


def _refuse(page, route):
    """Answer for the rest of the world: without a picture, but without an error either."""
    page.outside.append(route.request.url)
    route.fulfill(status=200, content_type="image/svg+xml", body="")


def _overflow(page):
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


def _clipped_figures(page):
    """Return the headline figures that do not fit their box."""
    return page.eval_on_selector_all(
        ".mp-figures > div",
        "boxes => boxes.filter(box => box.scrollWidth > box.clientWidth).map(box => box.innerText)",
    )


class TestPages:
    @BOTH_WIDTHS
    @BOTH_SCHEMES
    def test_are_whole(self, open_page, rows, width, scheme):
        page = open_page(width, scheme)

        for url, text in rows.items():
            page.goto(url)

            assert text in page.inner_text("#main"), url
            assert _overflow(page) <= 0, url
            assert _clipped_figures(page) == [], url
        assert page.complaints == []

    def test_load_nothing_but_pictures_from_elsewhere(self, open_page, rows):
        page = open_page(DESK, "light")

        for url in rows:
            page.goto(url)

        assert set(page.outside) <= {"https://img.example/1.jpg", "https://img.example/2.jpg"}

    @BOTH_SCHEMES
    def test_are_styled(self, open_page, rows, scheme):
        page = open_page(DESK, scheme)

        card = page.locator(".mp-card").first
        radius = card.evaluate("card => getComputedStyle(card).borderRadius")
        font = page.evaluate("getComputedStyle(document.body).fontFamily")
        is_dark = page.evaluate("document.documentElement.classList.contains('dark')")

        assert radius == "6px"
        assert "Inter" in font
        assert is_dark == (scheme == "dark")


class TestChart:
    @BOTH_WIDTHS
    def test_is_readable(self, open_page, rows, width):
        page = open_page(width, "light")
        page.goto(next(url for url, text in rows.items() if text.startswith("Price history")))

        chart = page.locator("[data-chart=prices] svg:visible")
        letters = chart.locator("text").first
        scale = chart.evaluate(
            "chart => chart.getBoundingClientRect().width / chart.viewBox.baseVal.width"
        )

        assert chart.count() == 1
        assert chart.locator("path.mp-line:not([d=''])").count() == 3
        assert letters.evaluate("text => parseFloat(getComputedStyle(text).fontSize)") * scale >= 10
        assert page.locator(".mp-legend li").count() == 3


class TestLists:
    @BOTH_WIDTHS
    def test_are_filtered(self, open_page, rows, width):
        page = open_page(width, "light")
        page.goto("/procurement/lot/")

        page.locator("#changelist a:has-text('Filters')").click()
        page.locator("#changelist-filter label:has-text('Tender')").last.click()
        page.get_by_role("button", name="Apply Filters").click()
        page.wait_for_url("**lot_type=tender**")

        assert "0 lots" in page.inner_text(".mp-count")

    @BOTH_WIDTHS
    def test_filters_say_what_they_cannot_read(self, open_page, rows, width):
        page = open_page(width, "light")
        page.goto("/ecommerce/offer/")

        page.locator("#changelist a:has-text('Filters')").first.click()
        page.fill("[name=price_from]", "abc")
        page.fill("[name=last_seen_at_from]", "2026-11-01")
        warnings = page.locator(".timezonewarning:visible").count()
        page.get_by_role("button", name="Apply Filters").click()
        page.wait_for_url("**price_from=abc**")

        assert warnings == 0
        assert '"abc" is not a number.' in page.inner_text("body")
        assert _overflow(page) <= 0

        page.locator("a[href*='last_seen_at_from=2026-11-01']").first.click()
        page.wait_for_url(lambda url: "price_from" not in url)

        assert "last_seen_at_from=2026-11-01" in page.url
        assert page.locator("#changelist").is_visible()

    def test_are_searched(self, open_page, rows):
        page = open_page(DESK, "light")
        page.goto("/ecommerce/product/")

        page.fill("#searchbar", "смартфоны")
        page.keyboard.press("Enter")
        page.wait_for_url("**q=**")

        assert "1 product" in page.inner_text(".mp-count")


class TestReview:
    @BOTH_WIDTHS
    def test_a_record_is_discarded(self, open_page, rows, width):
        page = open_page(width, "dark")
        page.goto(next(url for url in rows if "quarantinedrecord" in url))

        page.get_by_role("button", name="Discard…").click()
        assert "Delete 1 quarantined record for good?" in page.inner_text("#main")
        assert _overflow(page) <= 0
        page.get_by_role("button", name="Discard").click()
        page.wait_for_url("**/ecommerce/quarantinedrecord/")

        assert "Discarded 1 record of olx." in page.inner_text("#main")
        assert page.complaints == []

    def test_a_page_on_a_telephone_names_its_row(self, open_page, rows):
        page = open_page(TELEPHONE, "light")
        page.goto(next(url for url in rows if "/product/" in url and "change" in url))

        assert LONG_TITLE[:60] in page.inner_text(".mp-title")


#: Pages beside those of rows: accounts, forms, popups, errors.
OTHER_PAGES = (
    "/auth/user/",
    "/auth/user/add/",
    "/auth/user/{user}/change/",
    "/auth/user/{user}/password/",
    "/auth/user/{user}/history/",
    "/auth/user/{user}/delete/",
    "/auth/group/add/?_popup=1",
    "/auth/group/?q=none",
    "/password_change/",
    "/nowhere/",
    "/ecommerce/offer/?product__seller__name=x",
    "/ecommerce/product/?q=none",
)


class TestPolicy:
    """The content security policy."""

    def test_no_page_violates_it(self, open_page, rows, admin_user, settings):
        page = open_page(DESK, "light")

        for url in [*rows, *(url.format(user=admin_user.pk) for url in OTHER_PAGES)]:
            page.goto(url)
        settings.AXES_FAILURE_LIMIT = 1
        page.context.clear_cookies()
        page.goto("/login/")
        page.fill("[name=username]", "admin")
        page.fill("[name=password]", "wrong")
        page.click("button[type=submit]")

        assert "Too many failed logins" in page.inner_text("body")
        # The browser notes pages of errors as well.
        assert [text for text in page.complaints if "Failed to load" not in text] == []

    def test_forbids_scripts_and_styles_in_the_page(self, open_page):
        page = open_page(DESK, "light")

        page.evaluate(
            """const picture = "<img src='data:,' onerror='hit = 1'>";
            document.body.insertAdjacentHTML("beforeend", picture);
            const script = document.createElement("script");
            script.textContent = "hit = 2";
            document.body.append(script);
            const style = document.createElement("style");
            style.textContent = "body { display: none }";
            document.body.append(style);"""
        )
        page.wait_for_function("document.querySelector(\"img[src='data:,']\").complete")

        assert page.evaluate("window.hit") is None
        assert page.is_visible("body")
        assert len(page.complaints) == 3

    def test_leaves_controls_working(self, open_page, rows):
        page = open_page(DESK, "light")
        root = page.locator("html")

        page.locator("text=unfold_more >> visible=true").click()
        page.locator("text=dark_mode >> visible=true").click()
        page.wait_for_function("document.documentElement.classList.contains('dark')")
        page.goto("/ecommerce/loadrun/")
        assert "dark" in root.get_attribute("class")
        page.locator(".action-select").first.check()
        actions = page.locator("#changelist-actions")
        assert actions.is_visible()
        assert actions.bounding_box()["width"] > DESK / 2
        page.goto("/ecommerce/offer/")
        page.locator("#changelist a:has-text('Filters')").first.click()
        page.locator(".datetimeshortcuts a[id^=calendarlink] >> visible=true").first.click()
        assert page.locator(".calendarbox >> visible=true").count() == 1
        assert page.complaints == []

    def test_a_picture_that_cannot_be_loaded_is_removed(self, open_page, rows):
        page = open_page(DESK, "light")
        page.route("https://img.example/**", lambda route: route.abort())

        page.goto(next(url for url in rows if "/classifieds/listing/" in url and "change" in url))

        page.wait_for_function("document.querySelectorAll('.mp-image img').length === 0")
        assert page.locator(".mp-image").count() == 5


class TestNavigation:
    def test_opens_on_a_telephone(self, open_page, rows):
        page = open_page(TELEPHONE, "light")

        page.locator("text=dock_to_right >> visible=true").first.click()
        page.locator("h2:has-text('Procurement') >> visible=true").first.click()
        page.locator("#nav-sidebar-apps a[href='/procurement/lot/']").first.click()

        page.wait_for_url("**/procurement/lot/")
