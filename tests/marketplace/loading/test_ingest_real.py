"""Real payloads of every shape load with their counts, and change nothing when loaded again."""

import pytest

from classifieds.models import Category as ListingCategory
from classifieds.models import Listing
from ecommerce.models import Category, Offer, PricePoint, Product
from marketplace.loading.ingest import ingest
from procurement.models import Lot, LotItem, Reference
from tests import payloads

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds", "procurement"])

# platform, file, records read, distinct items, model that counts them
FILES = [
    ("uzum", "uzum/uzum-product-1772350.json", 1, 1, Product),
    ("uzum", "uzum/uzum-mainpage-graphql-2023-11.json", 132, 127, Product),
    ("uzum", "uzum/uzum-cards-graphql-2025-08.json", 10, 10, Product),
    ("wildberries", "wildberries/wb-catalog-v1-100.json", 100, 100, Product),
    ("wildberries", "wildberries/wb-search-and-detail-v4-samples.json", 3, 3, Product),
    # The products of the list and of the card differ.
    ("wildberries", "wildberries/wb-card-pricehistory-raw.json", 2, 2, Product),
    ("wildberries", "wildberries/wb-main-menu-2025.json.gz", 2820, 2820, Category),
    ("ozon", "ozon/ozon-seller-feed-lg.xml", 838, 838, Product),
    ("ozon", "ozon/ozon-category-trees-open.json.gz", 1375, 1375, Category),
    ("yandex", "yandex/yml-akcent-2025-09-08.yml.gz", 193, 193, Product),
    ("yandex", "yandex/yml-beautyty-2020-01-28.xml.gz", 775, 775, Product),
    # A page contains its product and the recommended ones.
    ("yandex", "yandex/market-yandex-uz-hp-laptop-1113644663.json", 11, 11, Product),
    ("yandex", "yandex/market-yandex-uz-iphone15-1912483624.json", 1, 1, Product),
    ("olx", "olx/olx-uz-cars-2025-12.json", 52, 52, Listing),
    ("olx", "olx/olx-uz-rent-tashkent-2022-10", 780, 712, Listing),
    ("olx", "olx/olx-api-v1-offers-samples.json", 3, 3, Listing),
    ("olx", "olx/olx-uz-category-tree-2022.json", 369, 369, ListingCategory),
    ("uzex", "procurement/uzex-auction-completed-deals-page.json", 7, 7, Lot),
    ("uzex", "procurement/uzex-shop-lots-page.json", 5, 5, Lot),
    ("uzex", "procurement/uzex-etender-lots-open.json", 22, 22, Lot),
    ("uzex", "procurement/uzex-auction-products-379514.json", 8, 8, LotItem),
    ("uzex", "procurement/uzex-shop-products-4550655.json", 1, 1, LotItem),
    ("uzex", "procurement/uzex-categories.json", 88, 88, Reference),
    ("uzex", "procurement/uzex-regions-intercepted.json", 14, 14, Reference),
]

#: Further files of the same shapes.
MORE_FILES = [
    ("ozon", "ozon/ozon-search-data.csv.gz", 10280, 7862, Product),
    ("ozon", "ozon/ozon-search-data-1.csv.gz", 10330, 7729, Product),
    ("ozon", "ozon/ozon-search-data-2.csv.gz", 10297, 8734, Product),
    ("yandex", "yandex/yml-alstyle-2025-09-11.xml.gz", 1981, 1981, Product),
    ("yandex", "yandex/yml-alstyle-2025-09-12.xml.gz", 1984, 1984, Product),
    ("yandex", "yandex/yml-alstyle-2026-05-19.yml.gz", 2003, 2003, Product),
    ("yandex", "yandex/yml-akcent-2025-09-13.xml.gz", 2157, 2157, Product),
]


class TestEveryShape:
    @pytest.mark.parametrize(
        ("platform", "name", "read", "distinct", "model"),
        [*FILES, *(pytest.param(*row, marks=pytest.mark.slow) for row in MORE_FILES)],
    )
    def test_loads_once(self, platform, name, read, distinct, model):
        path = str(payloads.path(name))

        first = ingest(platform, [path])
        again = ingest(platform, [path])

        assert (first.read, first.rejected, first.source_errors) == (read, 0, [])
        assert first.created == distinct
        assert model.objects.filter(platform=platform).count() >= distinct
        assert (again.read, again.created, again.updated, again.price_points) == (read, 0, 0, 0)


@pytest.mark.slow
class TestFullListings:
    NAMES = "yandex/lg-kz-snapshots"

    def test_prices_of_every_day_are_in_the_history(self):
        folder = payloads.path(self.NAMES)

        for path in sorted(folder.iterdir()):
            ingest("yandex", [str(path)])

        assert Offer.objects.count() == 478
        assert PricePoint.objects.exclude(price_change=0).exclude(price_change=None).count() == 735
        assert PricePoint.objects.filter(price_change=None).count() == 478

    def test_add_nothing_if_loaded_again_in_another_order(self):
        paths = sorted(str(path) for path in payloads.path(self.NAMES).iterdir())
        ingest("yandex", paths)
        history = list(PricePoint.objects.order_by("id").values())
        offers = list(Offer.objects.order_by("id").values())

        summary = ingest("yandex", [*paths[::-2], *paths[::2]])

        assert (summary.created, summary.updated, summary.price_points) == (0, 0, 0)
        assert list(PricePoint.objects.order_by("id").values()) == history
        assert list(Offer.objects.order_by("id").values()) == offers
