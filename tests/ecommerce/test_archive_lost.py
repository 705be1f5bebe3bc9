"""A lost archive: records that need it are quarantined; its months can be marked as lost."""

import shutil
import sys
from datetime import date
from io import StringIO

import pytest
from django.urls import reverse

from ecommerce.archive import notices
from ecommerce.models import ArchivedMonth, LostMonth, Offer, PricePoint
from tests.commands import run
from tests.ecommerce.archiving import JULY, JUNE, MAY, archive
from tests.ecommerce.test_archive_loading import day, history, load, product, reasons

pytestmark = [
    pytest.mark.django_db(databases="__all__", transaction=True),
    pytest.mark.usefixtures("archive_dir"),
    # The folder of static files does not exist in tests.
    pytest.mark.filterwarnings("ignore:No directory at"),
]


@pytest.fixture
def lost_files(archive_dir):
    """An archived month without files: product 1 has a price in it, product 2 was added later."""
    load(product(1000, day(3)))
    load(product(1100, day(5, month=6)))
    load(product(2000, day(8, month=6), number=2))
    archive(MAY)
    shutil.rmtree(archive_dir)


@pytest.mark.usefixtures("lost_files")
class TestLateRecords:
    def test_offers_without_archived_prices_load(self):
        # The first record is a late arrival, so that its history is computed again.
        summary = load(
            product(1900, day(2, month=6), number=2), product(3000, day(9, month=6), number=3)
        )

        assert (summary.created, summary.rejected) == (1, 0)
        assert history_of_table(2) == [(1900, None), (2000, 100)]

    def test_only_offers_with_archived_prices_wait(self):
        summary = load(
            product(1050, day(2, month=6)),
            product(1900, day(2, month=6), number=2),
            product(3000, day(9, month=6), number=3),
        )

        assert (summary.created, summary.rejected) == (1, 1)
        [reason] = reasons()
        assert reason.startswith("needs archived prices, which cannot be read: ")
        assert reason.endswith(
            "If the archived months are lost: python manage.py db_archive --abandon 2021-05. "
            "Then release this record."
        )
        assert history_of_table(1) == [(1100, 100)]
        assert history_of_table(2) == [(1900, None), (2000, 100)]

    def test_records_of_the_archived_month_wait(self):
        summary = load(product(900, day(10)), product(3000, day(9, month=6), number=3))

        assert (summary.created, summary.rejected) == (1, 1)
        assert "db_archive --abandon 2021-05" in reasons()[0]

    def test_records_in_order_load(self):
        assert load(product(1200, day(20, month=6))).rejected == 0
        assert history_of_table(1) == [(1100, 100), (1200, 100)]


@pytest.mark.usefixtures("lost_files")
class TestAbandon:
    def test_waiting_records_load(self):
        load(product(1050, day(2, month=6)))
        load(product(900, day(10)))

        result = run("db_archive", "--abandon", "2021-05", "--force")
        released = run("ingest_review", "release", "records", "--reason", "archived prices")

        assert result.out == "ECOMMERCE: abandoned 2021-05: 1 row\n"
        assert released.code == 0, released.err
        assert reasons() == []
        # The stored payloads still contain the price of the lost month.
        assert history() == [
            (day(3), 1000, None),
            (day(10), 900, -100),
            (day(2, month=6), 1050, 150),
            (day(5, month=6), 1100, 50),
        ]

    def test_dry_run(self):
        result = run("db_archive", "--abandon", "2021-05", "--dry-run")

        assert result.out == "ECOMMERCE: Would abandon 2021-05: 1 row\n"
        assert ArchivedMonth.objects.exists()
        assert not LostMonth.objects.exists()

    def test_confirmation(self, monkeypatch):
        monkeypatch.setattr(sys, "stdin", StringIO("no\n"))

        result = run("db_archive", "--abandon", "2021-05")

        assert result.code == 1
        assert ArchivedMonth.objects.exists()

    def test_lost_month_is_reported(self):
        run("db_archive", "--abandon", "2021-05", "--force")

        assert "Lost months: 2021-05" in run("db_status", "--database", "ecommerce").out
        assert "2021-05  lost 20" in run("db_partitions").out
        assert run("price_history", "uzum", "10", "--since", "2021-05-02").err == (
            "Lost months: 2021-05. Their archived prices are lost.\n"
        )
        assert run("price_history", "uzum", "10", "--since", "2021-06-01").err == ""

    def test_lost_month_with_later_points(self):
        run("db_archive", "--abandon", "2021-05", "--force")
        load(product(5000, day(4), number=9))

        assert "2021-05  hot, 1 row, " in run("db_partitions").out
        assert "; lost before 20" in run("db_partitions").out


class TestRefusal:
    def test_readable_month(self):
        load(product(1000, day(3)))
        archive(MAY)

        result = run("db_archive", "--abandon", "2021-05", "--force")

        assert result.code == 1
        assert "2021-05 is not lost: its files are complete and unchanged." in result.err
        assert ArchivedMonth.objects.exists()

    def test_month_that_is_not_archived(self):
        result = run("db_archive", "--abandon", "2021-05", "--force")

        assert "2021-05 is not archived" in result.err


class TestPages:
    def test_pages_name_omitted_months(self, admin_client):
        load(product(1000, day(3)))
        load(product(1100, day(5, month=6)))
        archive(MAY)
        offer = Offer.objects.get()
        note = "Archived months are omitted: 2021-05. Read them: python manage.py price_history"

        for name, pk in (("product", offer.product_id), ("offer", offer.pk)):
            page = page_of(admin_client, f"{name}_change", pk)
            assert page.count(f"{note} uzum {offer.external_id}.") == 1
        page = page_of(admin_client, "pricepoint_changelist")
        assert page.count(f"{note} PLATFORM OFFER.") == 1

    def test_page_of_a_later_offer_does_not_name_them(self, admin_client):
        load(product(1000, day(3)))
        load(product(1100, day(5, month=6), number=2))
        archive(MAY)
        offers = Offer.objects.order_by("first_seen_at")

        pages = [page_of(admin_client, "offer_change", offer.pk) for offer in offers]

        assert ["Archived months" in page for page in pages] == [True, False]

    def test_page_without_recent_changes(self, admin_client):
        load(product(1000, day(3)))
        archive(MAY)

        page = page_of(admin_client, "offer_change", Offer.objects.get().pk)

        assert "None since 2021-06 (earlier months are archived)." in page

    def test_pages_name_lost_months(self, admin_client, lost_files):
        run("db_archive", "--abandon", "2021-05", "--force")

        page = page_of(admin_client, "offer_change", Offer.objects.first().pk)

        assert "Lost months: 2021-05. Their archived prices" in page


def test_consecutive_months_are_a_range():
    dates = [JUNE, MAY, JULY, date(2021, 12, 1), date(2022, 1, 1), date(2023, 1, 1)]

    assert notices.format_months(dates) == "2021-05 to 2021-07, 2021-12 to 2022-01, 2023-01"


def history_of_table(number):
    """Return price and change of the points of a product's offer in PostgreSQL."""
    points = PricePoint.objects.filter(offer__external_id=str(number * 10))
    return list(points.order_by("recorded_at").values_list("price", "price_change"))


def page_of(client, name, *arguments):
    """Return a page of the admin as text."""
    return client.get(reverse(f"admin:ecommerce_{name}", args=arguments)).content.decode()
