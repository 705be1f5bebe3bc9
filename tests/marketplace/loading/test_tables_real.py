"""Real tables are loaded with the shipped mappings. Loading them again adds nothing."""

import csv
import io
import json

import pytest
from django.conf import settings

from classifieds.models import Listing, ListingEvent
from classifieds.models import RawPayload as ListingPayload
from ecommerce.models import Offer, PricePoint, Product, RawPayload
from marketplace.loading.ingest import ingest
from tests import payloads

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds"])

DISTRICTS = "olx/olx-uz-rent-districts-2025-12"
WB, OLX = "ecommerce/columns", "classifieds/columns"
PH = "wildberries/wb-price-history-2024.csv"

# file, mapping, records read, distinct things, what counts them
FILES = [
    # Three of its 303 rows repeat the header.
    ("wildberries/wb-tshirts-2023.csv", f"{WB}/wb-csv-a.toml", 300, 120, Product),
    ("wildberries/wb-laptops-2021.csv", f"{WB}/wb-csv-b.toml", 300, 95, Product),
    (PH, f"{WB}/wb-ph.toml", 190, 190, Product),
    # Half of their rows are badges.
    (f"{DISTRICTS}/almazar.csv.gz", f"{OLX}/olx-csv.toml", 424, 403, Listing),
    (f"{DISTRICTS}/almazar_cards_details.csv", f"{OLX}/olx-csv-details.toml", 447, 431, Listing),
    ("olx/olx-pl-cars-2025-04-07.json.gz", f"{OLX}/olx-pl-a.toml", 829, 827, Listing),
    ("olx/olx-pl-jbl-speakers-2025.json.gz", f"{OLX}/olx-pl-b.toml", 606, 587, Listing),
    ("olx/olx-pl-jbl-speakers-2025.json.gz", f"{OLX}/olx-pl-b-removed.toml", 606, 587, Listing),
]

#: Further files of the same layouts.
MORE_FILES = [
    ("wildberries/wb-stickers-2023.csv.gz", f"{WB}/wb-xlsx.toml", 10000, 9933, Product),
    (f"{DISTRICTS}/bektemir.csv.gz", f"{OLX}/olx-csv.toml", 431, 428, Listing),
    (f"{DISTRICTS}/chilonzor.csv.gz", f"{OLX}/olx-csv.toml", 437, 412, Listing),
    (f"{DISTRICTS}/mirabad.csv.gz", f"{OLX}/olx-csv.toml", 487, 452, Listing),
    (f"{DISTRICTS}/mirzo-ulugbek.csv.gz", f"{OLX}/olx-csv.toml", 466, 445, Listing),
    (f"{DISTRICTS}/bektemir_cards_details.csv", f"{OLX}/olx-csv-details.toml", 446, 442, Listing),
    (f"{DISTRICTS}/chilonzor_cards_details.csv", f"{OLX}/olx-csv-details.toml", 439, 414, Listing),
    (f"{DISTRICTS}/mirabad_cards_details.csv", f"{OLX}/olx-csv-details.toml", 487, 452, Listing),
    (
        f"{DISTRICTS}/mirzo-ulugbek_cards_details.csv",
        f"{OLX}/olx-csv-details.toml",
        466,
        445,
        Listing,
    ),
    ("olx/olx-pl-cars-2025-04-05.json.gz", f"{OLX}/olx-pl-a.toml", 1672, 1617, Listing),
    ("olx/olx-pl-cars-2025-04-06.json.gz", f"{OLX}/olx-pl-a.toml", 857, 854, Listing),
    ("olx/olx-pl-cars-2025-04-12.json.gz", f"{OLX}/olx-pl-a.toml", 874, 870, Listing),
]


def load(name, columns):
    platform = "wildberries" if columns.startswith(WB) else "olx"
    return ingest(platform, [str(payloads.path(name))], columns=str(settings.BASE_DIR / columns))


class TestEveryTable:
    @pytest.mark.parametrize(
        ("name", "columns", "read", "distinct", "model"),
        [*FILES, *(pytest.param(*row, marks=pytest.mark.slow) for row in MORE_FILES)],
    )
    def test_loads_once(self, name, columns, read, distinct, model):
        first = load(name, columns)
        history = (PricePoint, ListingEvent, RawPayload, ListingPayload)
        stored = [table.objects.count() for table in history]

        again = load(name, columns)

        assert (first.read, first.rejected, first.source_errors) == (read, 0, [])
        assert model.objects.count() == first.created == distinct
        assert (again.read, again.created, again.updated, again.rejected) == (read, 0, 0, 0)
        assert [table.objects.count() for table in history] == stored


class TestPriceHistory:
    def test_stores_each_price_change(self):
        text = payloads.read(PH).decode()
        prices = {}
        for row in csv.DictReader(io.StringIO(text)):
            prices.setdefault(row["product_id"], []).append((row["date"], row["price"]))
        changes = sum(
            index == 0 or price != known[index - 1][1]
            for known in map(sorted, prices.values())
            for index, (_, price) in enumerate(known)
        )

        summary = load(PH, f"{WB}/wb-ph.toml")

        assert (len(text.splitlines()) - 1, changes) == (2261, 2260)
        assert summary.price_points == PricePoint.objects.count() == changes

    def test_ends_with_the_newest_price(self):
        load(PH, f"{WB}/wb-ph.toml")

        offer = Offer.objects.get(external_id="nm:105190787")
        assert (str(offer.price), offer.scraped_at.isoformat()) == (
            "909.86",
            "2024-11-24T00:00:00+00:00",
        )


class TestLaptops:
    def test_brands_and_prices_are_clean(self):
        load("wildberries/wb-laptops-2021.csv", f"{WB}/wb-csv-b.toml")

        brands = set(Product.objects.values_list("brand", flat=True))
        assert {"Asus", "Honor", "lenovo"} <= brands
        assert not [brand for brand in brands if brand.strip(" /") != brand]
        title = 'Ноутбук AMD A9 9425/4 ГБ/256 Гб/17.3"/1600x900/AMD Radeon R5/noOS'
        assert str(Offer.objects.get(product__title=title).price) == "28308.00"


class TestFlats:
    def test_details_and_cards_have_the_same_ids(self):
        cards = load(f"{DISTRICTS}/mirabad.csv.gz", f"{OLX}/olx-csv.toml")

        details = load(f"{DISTRICTS}/mirabad_cards_details.csv", f"{OLX}/olx-csv-details.toml")

        assert (cards.created, details.created, details.updated) == (452, 0, 452)
        whole = Listing.objects.filter(price__gt=0, rooms__gt=0, area_sqm__gt=0, city="Tashkent")
        assert whole.count() == 452

    def test_cards_have_the_ids_of_the_platform(self):
        load(f"{DISTRICTS}/almazar.csv.gz", f"{OLX}/olx-csv.toml")

        listing = Listing.objects.get(url__endswith="-ID46RGS.html")
        assert (listing.external_id, listing.price, listing.currency) == ("60741702", 800, "USD")
        assert (listing.currency_text, listing.is_negotiable) == ("у.е", True)


class TestFullListings:
    @pytest.mark.slow
    def test_files_of_several_days_change_prices(self):
        for day in ("05", "06", "07", "12"):
            load(f"olx/olx-pl-cars-2025-04-{day}.json.gz", f"{OLX}/olx-pl-a.toml")

        listing = Listing.objects.get(url__endswith="-IDX2EBY.html")
        event = ListingEvent.objects.get(listing=listing, kind="price")
        assert Listing.objects.count() == 3804
        assert (event.old_price, event.new_price, event.new_currency) == (9400, 8800, "PLN")
        assert event.recorded_at.isoformat() == "2025-04-12T18:31:28.613502+00:00"

    def test_a_lifetime_has_two_states(self):
        name = "olx/olx-pl-jbl-speakers-2025.json.gz"
        load(name, f"{OLX}/olx-pl-b.toml")
        priced = Listing.objects.filter(price__gt=0).count()

        load(name, f"{OLX}/olx-pl-b-removed.toml")

        assert Listing.objects.filter(status="removed").count() == 587
        assert Listing.objects.filter(price__gt=0).count() == priced > 570
        assert ListingEvent.objects.filter(kind="status", new_status="removed").count() == 587

    def test_an_ad_that_was_found_after_its_removal_is_removed(self, tmp_path):
        ad = {
            "title": "Speaker",
            "link": "https://www.olx.pl/d/oferta/t-CID99-ID99zzz.html",
            "price": "320 zł",
            "status": "inactive",
            "date_found": "2025-05-05",
            "date_removed": "2025-05-04",
            "location": "Kraków - 4 maja 2025",
        }
        path = tmp_path / "ads.json"
        path.write_text(json.dumps([ad]))

        for columns in ("olx-pl-b.toml", "olx-pl-b-removed.toml"):
            ingest("olx", [str(path)], columns=str(settings.BASE_DIR / OLX / columns))

        listing = Listing.objects.get()
        assert (listing.status, listing.price) == ("removed", 320)
        assert listing.last_seen_at.isoformat() == "2025-05-05T21:59:00+00:00"
