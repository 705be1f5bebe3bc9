"""The content security policy in a browser."""

from tests.browser.chromium import DESKTOP, MARKS

pytestmark = MARKS

#: Other pages than those of tables: accounts, forms, popups, errors.
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
        page = open_page(DESKTOP, "light")

        for url in [*rows, *(url.format(user=admin_user.pk) for url in OTHER_PAGES)]:
            page.goto(url)
        settings.AXES_FAILURE_LIMIT = 1
        page.context.clear_cookies()
        page.goto("/login/")
        page.fill("[name=username]", "admin")
        page.fill("[name=password]", "wrong")
        page.click("button[type=submit]")

        page.wait_for_selector("text=Too many failed logins")
        # The browser also reports the error pages themselves.
        assert [text for text in page.errors if "Failed to load" not in text] == []

    def test_forbids_inline_scripts_and_styles(self, open_page):
        page = open_page(DESKTOP, "light")

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
        assert len(page.errors) == 3

    def test_controls_work(self, open_page, rows):
        page = open_page(DESKTOP, "light")
        root = page.locator("html")

        page.locator("text=unfold_more >> visible=true").click()
        page.locator("text=dark_mode >> visible=true").click()
        page.wait_for_function("document.documentElement.classList.contains('dark')")
        page.goto("/ecommerce/loadrun/")
        assert "dark" in root.get_attribute("class")
        page.locator(".action-select").first.check()
        actions = page.locator("#changelist-actions")
        assert actions.is_visible()
        assert actions.bounding_box()["width"] > DESKTOP / 2
        page.goto("/ecommerce/offer/")
        page.locator("#changelist a:has-text('Filters')").first.click()
        page.locator(".datetimeshortcuts a[id^=calendarlink] >> visible=true").first.click()
        assert page.locator(".calendarbox >> visible=true").count() == 1
        assert page.errors == []

    def test_missing_picture_is_removed(self, open_page, rows):
        page = open_page(DESKTOP, "light")
        page.route("https://img.example/**", lambda route: route.abort())

        page.goto(next(url for url in rows if "/classifieds/listing/" in url and "change" in url))

        page.wait_for_function("document.querySelectorAll('.mp-image img').length === 0")
        assert page.locator(".mp-image").count() == 5


def test_the_documentation_of_the_api_works_without_other_sites(open_page):
    page = open_page(DESKTOP, "light")

    page.goto("/api/docs", wait_until="domcontentloaded")
    page.wait_for_selector(".opblock")

    assert "/api/questions/ecommerce/price_drops" in page.inner_text("#swagger-ui").replace(
        "\u200b", ""
    )
    assert (page.errors, page.external_requests) == ([], [])
