"""The content of the pages of rows."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils.html import strip_tags

from tests import factories

pytestmark = [
    pytest.mark.django_db(databases="__all__"),
    # The folder of collected static files is made where the project is deployed.
    pytest.mark.filterwarnings("ignore:No directory at"),
]


@pytest.fixture
def page(admin_client):
    """Return the HTML and the text of the page of a row."""

    def page(row):
        name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
        html = admin_client.get(reverse(name, args=(row.pk,))).content.decode()
        body = html[html.index('class="mp-page"') :]
        return body, re.sub(r"\s+", " ", strip_tags(body.replace("<", " <")))

    return page


class TestProduct:
    def test_shows_prices_with_their_currency(self, page):
        product = factories.product(min_price=5300716, max_price=Decimal("6100000.50"))

        _, text = page(product)

        assert "Price 5 300 716 – 6 100 000.50 UZS" in text

    def test_shows_a_dash_for_unknown_values(self, page):
        product = factories.product(min_price=None, max_price=None, rating=None)

        _, text = page(product)

        assert "Price — " in text
        assert "Rating — " in text

    def test_shows_times_in_the_time_zone_of_the_project(self, page):
        _, text = page(factories.product())

        assert "Last seen 2026-11-20 14:00" in text

    def test_shows_its_offers_and_their_history(self, page):
        product = factories.product()
        offer = factories.offer(
            product=product,
            variant_title="256 ГБ",
            price=90,
            old_price=120,
            seller=factories.seller(name="Artel"),
        )
        for day, price in ((0, 100), (5, 90)):
            factories.price_point(
                offer=offer,
                price=price,
                price_change=-10 if day else None,
                price_change_percent=-10 if day else None,
                recorded_at=factories.SEEN + timedelta(days=day),
            )

        html, text = page(product)

        assert "256 ГБ Artel 90 UZS 120 UZS 25 % — 2026-11-20 14:00" in text
        assert "/questions/ecommerce/price_history/?" in html
        assert "/questions/ecommerce/compare/?product=" in html
        assert "2026-11-25 14:00 256 ГБ · Artel 90 UZS -10 UZS -10 % —" in text

    def test_does_not_link_to_scripts(self, page):
        hostile = "javascript:alert(1)"
        product = factories.product(
            images=[hostile], url=hostile, title="<script>alert(1)</script>"
        )

        html, _ = page(product)

        assert f'"{hostile}"' not in html
        assert "<script>alert" not in html

    def test_links_to_the_same_title_on_other_platforms(self, admin_client):
        product = factories.product(title_normalized="чай & кофе 50%+")
        factories.product(title_normalized="утюг")

        html = admin_client.get(f"/ecommerce/product/{product.pk}/change/").content.decode()
        url = re.search(r'href="(/ecommerce/product/\?title[^"]+)"', html)[1].replace("&amp;", "&")

        assert list(admin_client.get(url).context["cl"].result_list) == [product]


class TestListing:
    def test_shows_the_location_and_the_events(self, page):
        listing = factories.listing(latitude="41.3648", longitude="69.2871")
        factories.listing_event(listing=listing)

        html, text = page(listing)

        assert "openstreetmap.org/?mlat=41.364800&amp;mlon=69.287100" in html
        assert "2026-11-20 14:00 Price changed 13 000 USD 12 500.50 USD" in text

    def test_loads_a_few_pictures_lazily(self, page):
        images = [f"https://img.example/{number}.jpg" for number in range(9)]

        html, _ = page(factories.listing(images=images))

        assert html.count('loading="lazy"') == 6


class TestLot:
    def test_shows_the_savings(self, page):
        lot = factories.lot(start_cost=15300716, deal_cost=Decimal("13000000.50"))

        _, text = page(lot)

        assert "Savings 2 300 715.50 UZS Savings in percent 15.04 %" in text

    def test_shows_no_savings_if_a_cost_is_unknown(self, page):
        _, text = page(factories.lot(start_cost=None))

        assert "Start cost — Deal cost 13 000 000 UZS Savings — " in text

    def test_shows_items_parties_and_the_audit_trail(self, page):
        customer = factories.organization(name="Vazirlik")
        lot = factories.lot(customer=customer)
        factories.lot_item(lot=lot, quantity="12.5", measure_name="упак", price=100, cost=1250)
        changes = {"status": ["active", "completed"], "deal_cost": [None, "13000000.00"]}
        factories.lot_event(lot=lot, changes=changes)

        html, text = page(lot)

        assert f'href="/procurement/organization/{customer.pk}/change/"' in html
        assert "1 Парацетамол 500 мг 12.5 упак 100 UZS 1 250 UZS —" in text
        assert "Changed status active completed" in text
        assert "Changed deal cost — 13 000 000" in text


class TestQuarantine:
    def test_shows_the_reason_and_the_payload(self, page):
        _, text = page(factories.quarantined("classifieds", '{"цена": 1}'.encode()))

        assert "Reason is not a number: &#x27;bepul&#x27; Field price" in text
        assert "bytes are shown" not in text
        assert "{ &quot;цена&quot;: 1 }" in text

    @pytest.mark.parametrize("external_id", ["", "8100003"])
    def test_its_title_is_its_name_in_commands(self, admin_client, external_id):
        row = factories.quarantined("classifieds", external_id=external_id)
        url = reverse("admin:classifieds_quarantinedrecord_change", args=(row.pk,))

        html = admin_client.get(url).content.decode()

        title = f"Record olx-{row.pk}{' (id 8100003)' if external_id else ''}"
        assert re.search(rf">\s*{re.escape(title)}\s*<", html)

    def test_cuts_off_a_large_payload(self, page):
        html, text = page(factories.quarantined("classifieds", b"x" * 1_000_000))

        assert "truncated after 20 000 bytes" in text
        assert len(html) < 60_000

    def test_damaged_payload_is_explained(self, page):
        row = factories.quarantined("classifieds")
        type(row).objects.update(payload=b"no zstd")

        _, text = page(row)

        assert "The payload cannot be decompressed" in text


class TestRawPayload:
    def test_shows_the_payload(self, page):
        _, text = page(factories.raw_payload("classifieds", '{"payload": {"t": "ў"}}'.encode()))

        assert "{ &quot;payload&quot;: { &quot;t&quot;: &quot;ў&quot; } }" in text


class TestLoadRun:
    def test_its_title_is_its_name_in_commands(self, admin_client):
        row = factories.load_run("classifieds")
        url = reverse("admin:classifieds_loadrun_change", args=(row.pk,))

        html = admin_client.get(url).content.decode()

        assert re.search(rf">\s*Run olx-{row.pk}\s*<", html)

    def test_shows_counts_and_time(self, page):
        _, text = page(factories.load_run("classifieds", read_count=124300))

        assert "Status Completed" in text
        assert "Took 5 minutes" in text
        assert "Read 124 300" in text

    def test_shows_the_warnings_of_its_sources(self, page):
        run = factories.load_run("classifieds")
        run.sources.create(name="ads.json", observed_at=run.started_at, warnings=["It is old."])

        _, text = page(run)

        assert "Warnings ads.json: It is old." in text
