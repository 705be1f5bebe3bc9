"""Loading while months are archived: closed months do not change, and no record is lost."""

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connections
from django.utils import timezone

from ecommerce import queries
from ecommerce.archive import layout, months, moving
from ecommerce.archive.months import Place
from ecommerce.models import Offer, PayloadObservation, PricePoint, QuarantinedRecord, RawPayload
from ecommerce.partitions import ensure
from marketplace.loading.ingest import load_documents
from tests import factories
from tests.commands import run
from tests.ecommerce.archiving import JUNE, MAY, archive, rows, unarchive
from tests.ecommerce.wildberries_payloads import CARD
from tests.marketplace.stage import wait

pytestmark = [
    pytest.mark.django_db(databases=["ecommerce", "classifieds", "procurement"], transaction=True),
    pytest.mark.usefixtures("archive_dir"),
]


def day(number, month=5):
    return datetime(2021, month, number, 12, tzinfo=UTC)


def product(price, at, number=1):
    """Return a product in the format of the API, in an envelope with a time."""
    sku = {"id": number * 10, "purchasePrice": price, "availableAmount": 1}
    data = {"id": number, "title": f"Choynak {number}", "skuList": [sku]}
    return {"payload": {"data": data}, "timestamp": at.isoformat()}


def load(*documents):
    summary = load_documents("uzum", list(documents))
    assert not summary.source_errors and not summary.held
    return summary


def history(number=1):
    """Return the points of a product's offer: (time, price, change)."""
    offer = Offer.objects.get(external_id=str(number * 10))
    points = queries.price_points([offer.pk])
    return [(point.recorded_at, point.price, point.price_change) for point in points]


def reasons():
    return list(QuarantinedRecord.objects.order_by("pk").values_list("reason", flat=True))


class TestClosedMonth:
    def test_confirmed_prices_are_loaded(self):
        load(product(1000, day(3)))
        load(product(1100, day(5, month=6)))
        before = history()
        archive(MAY)

        again = load(product(1000, day(3)))
        held = load(product(1000, day(20)))

        assert (again.rejected, held.rejected) == (0, 0)
        assert history() == before
        assert months.place(MAY) is Place.ABSENT

    def test_only_the_item_with_a_change_waits(self):
        load(product(1000, day(3)))
        load(product(1100, day(5, month=6)))
        archive(MAY)

        summary = load(
            product(2000, day(6, month=6), number=2),
            product(900, day(10)),
            product(3000, day(7, month=6), number=3),
        )

        assert (summary.created, summary.rejected) == (2, 1)
        assert reasons() == [
            "belongs to archived month 2021-05: python manage.py db_unarchive 2021-05, "
            "then release it"
        ]
        assert months.place(MAY) is Place.ABSENT
        assert [price for _, price, _ in history()] == [1000, 1100]
        assert len(history(2)) == len(history(3)) == 1

    def test_waiting_item_loads_after_the_month_was_brought_back(self):
        load(product(1000, day(3)))
        load(product(1100, day(5, month=6)))
        archive(MAY)
        load(product(900, day(10)))

        assert run("db_unarchive", "2021-05").code == 0
        released = run("ingest_review", "release", "records", "--reason", "archived month")

        assert released.code == 0, released.err
        assert history() == [
            (day(3), 1000, None),
            (day(10), 900, -100),
            (day(5, month=6), 1100, 200),
        ]
        assert reasons() == []

    def test_new_offer_waits(self):
        load(product(1000, day(3)))
        archive(MAY)

        summary = load(product(5000, day(4), number=7))

        assert summary.rejected == 1
        assert not Offer.objects.filter(external_id="70").exists()

    def test_partition_is_not_created_again(self):
        load(product(1000, day(3)))
        archive(MAY)

        assert ensure("ecommerce", [MAY]) == []
        assert months.place(MAY) is Place.ABSENT

    def test_late_arrivals_are_compared_with_archived_points(self):
        load(product(1000, day(3)))
        load(product(1100, day(5, month=6)))
        archive(MAY)
        # Payloads may have been deleted.
        PayloadObservation.objects.all().delete()
        RawPayload.objects.filter(observed_at__lt=day(1, month=6)).delete()

        load(product(1050, day(2, month=6)))
        load(product(1000, day(1, month=6)))

        assert history() == [
            (day(3), 1000, None),
            (day(2, month=6), 1050, 50),
            (day(5, month=6), 1100, 50),
        ]

    def test_outlier_after_an_archived_price(self):
        load(product(1000, day(3)))
        archive(MAY)

        load(product(10_000, day(1, month=6)))
        load(product(1000, day(2, month=6)))

        marks = PricePoint.objects.order_by("recorded_at").values_list("price", "is_outlier")
        assert list(marks) == [(Decimal(10_000), True), (Decimal(1000), None)]

    def test_past_price_stays_in_its_payload(self):
        ensure("ecommerce", [MAY])
        archive(MAY)
        history = [
            {"dt": int(moment.timestamp()), "price": {"RUB": price}}
            for moment, price in [(day(3), 90000), (day(3, month=6), 95000)]
        ]
        document = {"product_response": CARD, "price_history_response": history}

        summary = load_documents("wildberries", [document], observed_at=day(9, month=6))

        assert (summary.created, summary.rejected) == (1, 0)
        points = queries.price_points(Offer.objects.values_list("pk", flat=True))
        assert months.place(MAY) is Place.ABSENT
        assert {point.recorded_at for point in points} == {day(3, month=6)}


class TestMeanwhile:
    def test_earlier_transaction_is_archived_too(self):
        offer = factories.offer()
        factories.price_point(offer=offer, recorded_at=day(3))
        other = connections["ecommerce"].copy()
        other.set_autocommit(False)
        result = []
        try:
            with other.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO ecommerce_price_history (offer_id, price, recorded_at) "
                    "VALUES (%(offer)s, 1, %(at)s)",
                    {"offer": offer.pk, "at": day(4)},
                )
                archiving = threading.Thread(target=self.archive, args=[result])
                archiving.start()
                wait(self.is_detaching, "archiving does not wait for the session")
                other.commit()
                archiving.join(timeout=60)
        finally:
            other.close()

        assert [moved.rows for moved in result] == [2]
        assert len(queries.price_points([offer.pk])) == 2
        unarchive(MAY)
        assert len(rows(MAY)) == 2

    def archive(self, moved):
        try:
            moved += archive(MAY)
        finally:
            connections["ecommerce"].close()

    def is_detaching(self):
        return months.place(MAY) is Place.DETACHING

    @pytest.mark.slow
    def test_concurrent_loader_loses_no_record(self):
        for number in range(1, 41):
            load(product(1000 + number, day(2) + timedelta(hours=number), number=number))
        stopped, loaded, failures = threading.Event(), [], []
        loader = threading.Thread(target=self.load_on, args=[stopped, loaded, failures])
        loader.start()
        try:
            wait(lambda: len(loaded) > 3, "the loader does not load")
            with layout.exclusive_lock() as work:
                moving.archive(MAY, work, timezone.now())
                moving.archive(JUNE, work, timezone.now())
            count = len(loaded)
            wait(lambda: len(loaded) > count + 3, "the loader stopped")
        finally:
            stopped.set()
            loader.join(timeout=60)

        assert failures == []
        assert months.place(MAY) is months.place(JUNE) is Place.ABSENT
        waiting = QuarantinedRecord.objects.count()
        assert waiting > 0
        assert Offer.objects.count() + waiting == 40 + 2 * len(loaded)
        assert run("db_unarchive", "2021-05", "2021-06").code == 0
        released = run("ingest_review", "release", "records", "--platform", "uzum")
        assert released.code == 0, released.err
        assert PricePoint.objects.count() == Offer.objects.count() == 40 + 2 * len(loaded)

    def load_on(self, stopped, loaded, failures):
        try:
            number = 100
            while not stopped.is_set():
                moment = day(3) + timedelta(minutes=number)
                summary = load_documents(
                    "uzum",
                    [
                        product(1000, moment, number=number),
                        product(1000, moment + timedelta(days=35), number=number + 1),
                    ],
                )
                failures += summary.source_errors
                loaded.append(number)
                number += 2
        finally:
            connections["ecommerce"].close()
