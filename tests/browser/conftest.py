"""Fixtures of the tests in a browser: rows of all kinds, and pages of a user who is logged in."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from tests import factories
from tests.questions import compute_all_rollups

LONG_TITLE = "Смартфон Apple iPhone 15 Pro 256 ГБ, титановый синий, с гарантией производителя, " * 3


@pytest.fixture
def rows():
    """Create rows with long texts, unknown values and a price history; return URL → text."""
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
        "/": "Compare prices",
        "/databases/": "ECOMMERCE",
        "/ecommerce/product/": "5 300 716 UZS",
        f"/ecommerce/product/{product.pk}/change/": "Latest changes",
        "/ecommerce/offer/": "5 300 716 UZS",
        "/classifieds/listing/": "12 500.50 USD",
        f"/classifieds/listing/{listing.pk}/change/": "on OpenStreetMap",
        "/procurement/lot/": "15 300 716 UZS",
        f"/procurement/lot/{lot.pk}/change/": "2 300 715.50 UZS",
        f"/ecommerce/quarantinedrecord/{quarantined.pk}/change/": "is not a number",
        "/ecommerce/loadrun/": "Completed",
    }


def _create_lots(now):
    customer = factories.organization(name="Hospital 1", inn="301")
    supplier = factories.organization(name="Demo Savdo", inn="302")
    for price in (90, 95, 100, 105, 110):
        lot = factories.lot(
            **{"customer": customer, "provider": supplier, "deal_date": now, "region": "Tashkent"},
            **{"participants_count": 1, "category_name": "Лекарства"},
        )
        factories.lot_item(lot=lot, price=price, measure_name="шт")


@pytest.fixture
def answers(rows):
    """Create rows that answer every question with its default parameters."""
    now = timezone.now() - timedelta(hours=1)
    seen = {"first_seen_at": now - timedelta(days=120), "last_seen_at": now}
    product = factories.product(title="iPhone 15 Pro", title_normalized="iphone 15 pro", **seen)
    category = factories.category(**seen)
    for name, price in (("Malika", 600), ("Orient", 900)):
        seller = factories.seller(name=name, **seen)
        product = factories.product(
            title="iPhone 15 Pro",
            title_normalized="iphone 15 pro",
            seller=seller,
            category=category,
            **seen,
        )
        offer = factories.offer(
            product=product,
            seller=seller,
            price=price,
            old_price=2000,
            discount_percent=70,
            is_available=True,
            scraped_at=now,
            **seen,
        )
        # It was sold out, and is cheaper than in the 90 days before.
        for days, higher, is_available in ((119, 400, True), (20, 200, False), (5, 0, True)):
            factories.price_point(
                offer=offer,
                price=price + higher,
                old_price=None if days == 119 else 2000,
                price_change=None if days == 119 else -200,
                price_change_percent=None if days == 119 else -20,
                is_available=is_available,
                recorded_at=now - timedelta(days=days),
            )
    for price in range(90_000_000, 95_000_000, 1_000_000):
        factories.listing(
            **{"title": "Chevrolet Cobalt 2019", "price": price, "currency": "UZS", "year": 2019},
            **{"brand": "Chevrolet", "model": "Cobalt", "district_canonical": "Yunusabad"},
            **{"latitude": "41.311", "longitude": "69.24", "posted_at": now},
            **seen,
        )
    _create_lots(now)
    for alias, platform in (("ecommerce", "uzum"), ("classifieds", "olx"), ("procurement", "uzex")):
        factories.load_run(alias, platform=platform, newest_observed_at=now, started_at=now)
    compute_all_rollups()


@pytest.fixture
def browser(rows, admin_user, live_server):
    """Start Chromium."""
    # Imported here, because a skip within a conftest module is an error.
    from tests.browser.chromium import ARGUMENTS, EXECUTABLE, playwright

    # The rows are created before and deleted after: the event loop of Playwright runs in this
    # thread, and Django refuses queries in a thread with a running event loop.
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=EXECUTABLE, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def open_page(browser, live_server):
    """Return a function that logs in and returns the page, which records errors and requests."""

    def open_page(width, scheme):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, base_url=live_server.url
        )
        context.set_default_timeout(10_000)
        page = context.new_page()
        page.errors = []
        page.external_requests = []
        page.on("console", lambda message: _record_error(page, message))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.route(
            lambda url: not url.startswith(live_server.url), lambda r: _answer_external(page, r)
        )
        page.goto("/login/")
        page.fill("[name=username]", "admin")
        page.fill("[name=password]", "password")
        page.click("button[type=submit]")
        page.wait_for_url("**/")
        return page

    return open_page


def _record_error(page, message):
    if message.type in ("error", "warning"):
        page.errors.append(message.text)


def _answer_external(page, route):
    """Answer requests to other sites by an empty picture."""
    page.external_requests.append(route.request.url)
    route.fulfill(status=200, content_type="image/svg+xml", body="")
