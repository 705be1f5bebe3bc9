"""Five tasks of an analyst in the browser, by clicks only."""

import pytest

from tests.browser.chromium import MARKS, PHONE, WIDTHS
from tests.questions import analysts  # noqa: F401

pytestmark = [*MARKS, pytest.mark.usefixtures("analysts", "answers")]


def ask(page, **texts):
    """Fill in the form of a question, and ask it."""
    for name, text in texts.items():
        page.fill(f"[name={name}]", text)
    page.get_by_role("button", name="Ask").click()
    page.wait_for_load_state("domcontentloaded")


def follow(page, selector, address):
    """Click a link, which leads to an address."""
    page.locator(selector).first.click()
    page.wait_for_url(f"**{address}**", wait_until="domcontentloaded")


def open_question(page, title, width):
    """Open a question by its title, from the navigation."""
    if width == PHONE:
        page.locator("text=dock_to_right >> visible=true").first.click()
    follow(page, "a[href='/questions/'] >> visible=true", "/questions/")
    follow(page, f"#main a:text-is('{title}')", "/questions/*/")


@WIDTHS
def test_five_tasks_take_clicks_only(open_page, width):
    page = open_page(width, "light")

    # Where is a phone cheapest, and is its discount real?
    page.fill("[name=search]", "iphone 15 pro")
    page.get_by_role("button", name="Compare").click()
    follow(page, "td a[href*='/price_history/']", "/price_history/")
    assert "600 UZS" in page.inner_text("#main")
    page.wait_for_function("Chart.getChart(document.querySelector('canvas')).data.datasets.length")
    line = "Chart.getChart(document.querySelector('canvas')).data.datasets[0].label"
    assert page.evaluate(line) == "uzum · Malika"

    # What dropped most this week in a category?
    page.goto("/")
    follow(page, "#main a:text-is('Price drops')", "/price_drops/")
    page.locator("[name=category]").press_sequentially("смарт")
    option = page.locator("#choices-category option")
    option.first.wait_for(state="attached")
    ask(page, category=option.first.get_attribute("value"))
    assert "33.3 %" not in page.inner_text("#main")
    assert "25.0 %" in page.inner_text("#main")

    # Which seller is the cheapest most often?
    open_question(page, "Seller ranking", width)
    follow(page, "td a[href*='/questions/ecommerce/seller/']", "/seller/")
    assert "Malika" in page.inner_text("#main")
    assert "1/2" in page.inner_text("#main")

    # What is a fair price for a Cobalt of 2019 in Tashkent, and what is within 5 km?
    open_question(page, "Fair price", width)
    ask(page, brand="Chevrolet", model="Cobalt", year="2019", city="Tashkent")
    assert "92 000 000 UZS" in page.inner_text(".mp-figures").replace("\xa0", " ")
    follow(page, "td a[href*='/nearby/']", "/nearby/")
    assert "0.0 km" in page.inner_text("#main")

    # Who buys from one supplier most, and which of its lots look odd?
    open_question(page, "Who buys from whom", width)
    follow(page, "td a[href*='/pairs/']", "/pairs/*supplier=")
    assert "Hospital 1" in page.inner_text("#main")
    follow(page, "td a[href*='/suspicious_lots/']", "/suspicious_lots/*supplier=")
    assert "One participant" in page.inner_text("#main")
    assert page.errors == []
