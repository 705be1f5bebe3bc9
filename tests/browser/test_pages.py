"""The pages in a browser: on desktops and phones, with light and dark schemes."""

import pytest

from tests.browser.chromium import (
    DESKTOP,
    MARKS,
    PHONE,
    SCHEMES,
    VIEWS,
    WIDTHS,
    overflow,
)
from tests.browser.conftest import LONG_TITLE
from tests.questions import analysts  # noqa: F401

pytestmark = MARKS


def _clipped_figures(page):
    """Return the key figures that do not fit their boxes."""
    return page.eval_on_selector_all(
        ".mp-figures > div",
        "boxes => boxes.filter(box => box.scrollWidth > box.clientWidth).map(box => box.innerText)",
    )


class TestPages:
    @VIEWS
    def test_fit_the_viewport_without_errors_and_load_only_pictures(
        self, open_page, rows, width, scheme
    ):
        page = open_page(width, scheme)

        for url, text in rows.items():
            page.goto(url)

            assert text in page.inner_text("#main"), url
            assert overflow(page) <= 0, url
            assert _clipped_figures(page) == [], url
        assert page.errors == []
        pictures = {f"https://img.example/{number}.jpg" for number in (1, 2)}
        assert set(page.external_requests) <= pictures

    @SCHEMES
    def test_have_the_style_of_the_scheme(self, open_page, rows, scheme):
        page = open_page(DESKTOP, scheme)

        card = page.locator(".mp-card").first
        radius = card.evaluate("card => getComputedStyle(card).borderRadius")
        font = page.evaluate("getComputedStyle(document.body).fontFamily")
        is_dark = page.evaluate("document.documentElement.classList.contains('dark')")

        assert radius == "6px"
        assert "Inter" in font
        assert is_dark == (scheme == "dark")


@pytest.mark.usefixtures("analysts")
class TestChart:
    @WIDTHS
    def test_is_drawn_in_a_panel(self, open_page, rows, width):
        page = open_page(width, "light")
        page.goto(next(url for url, text in rows.items() if text == "Latest changes"))

        canvas = page.locator("canvas[data-chart]")
        canvas.wait_for()
        lines = canvas.evaluate("canvas => Chart.getChart(canvas).data.datasets")

        assert [line["label"] for line in lines] == ["uzum"]
        assert len(lines[0]["data"]) > 10
        assert canvas.bounding_box()["width"] > width / 2
        assert page.errors == []


class TestLists:
    @WIDTHS
    def test_filter(self, open_page, rows, width):
        page = open_page(width, "light")
        page.goto("/procurement/lot/")

        page.locator("#changelist a:has-text('Filters')").click()
        page.locator("#changelist-filter label:has-text('Tender')").last.click()
        page.get_by_role("button", name="Apply Filters").click()
        page.wait_for_url("**lot_type=tender**")

        assert "0 lots" in page.inner_text(".mp-count")

    @WIDTHS
    def test_invalid_filter_is_explained(self, open_page, rows, width):
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
        assert overflow(page) <= 0

        page.locator("a[href*='last_seen_at_from=2026-11-01']").first.click()
        page.wait_for_url(lambda url: "price_from" not in url)

        assert "last_seen_at_from=2026-11-01" in page.url
        assert page.locator("#changelist").is_visible()

    def test_search(self, open_page, rows):
        page = open_page(DESKTOP, "light")
        page.goto("/ecommerce/product/")

        page.fill("#searchbar", "смартфоны")
        page.keyboard.press("Enter")
        page.wait_for_url("**q=**")

        assert "1 product" in page.inner_text(".mp-count")


class TestReview:
    @VIEWS
    def test_record_is_discarded(self, open_page, rows, width, scheme):
        page = open_page(width, scheme)
        page.goto("/ecommerce/review/")
        for step in ("a:has-text('record olx')", "button:has-text('Discard…')"):
            assert overflow(page) <= 0
            page.click(f"#main {step}")

        assert "Discard 1 record of olx?" in page.inner_text("#main")
        assert overflow(page) <= 0
        page.get_by_role("button", name="Discard").click()
        page.wait_for_url("**/ecommerce/review/")

        assert "Discarded 1 record of olx." in page.inner_text("#main")
        assert page.errors == []

    def test_page_on_a_phone_shows_the_name_of_the_row(self, open_page, rows):
        page = open_page(PHONE, "light")
        page.goto(next(url for url in rows if "/product/" in url and "change" in url))

        assert LONG_TITLE[:60] in page.inner_text(".mp-title")


class TestNavigation:
    def test_opens_on_a_phone(self, open_page, rows):
        page = open_page(PHONE, "light")

        page.locator("text=dock_to_right >> visible=true").first.click()
        page.locator("h2:has-text('Procurement') >> visible=true").first.click()
        page.locator("#nav-sidebar-apps a[href='/procurement/lot/']").first.click()

        page.wait_for_url("**/procurement/lot/")
