"""Values of a wrong type are rejected one by one, by `ingest_check` and by a load."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from ecommerce.models import Offer, Product, QuarantinedRecord
from ecommerce.platforms import uzum
from ecommerce.records import PricePoint
from marketplace.exceptions import PayloadError
from marketplace.loading.ingest import ingest
from marketplace.loading.targets import check_columns, check_types
from marketplace.loading.values import TASHKENT
from marketplace.management.preview import survey
from procurement.records import Lot
from tests.marketplace.loading.test_mutations import uzum as card

NOON = datetime(2026, 3, 1, 12, tzinfo=TASHKENT)


def spoil_price(product, offer):
    return [product, offer._replace(price="1000")]


def spoil_offer_id(product, offer):
    return [product, offer._replace(external_id=2)]


def spoil_rating(product, offer):
    return [product._replace(rating=4.5), offer]


def spoil_flag(product, offer):
    return [product._replace(review_count=True), offer]


def spoil_reference(product, offer):
    return [product, offer._replace(seller_external_id=7)]


def spoil_database(product, offer):
    return [product, Lot("2")]


def spoil_point(product, offer):
    return [product, offer, PricePoint(offer.external_id, NOON - timedelta(days=9), "5", "UZS")]


FAULTS = {
    spoil_price: ("Offer.price", "the adapter returned str, but the field takes Decimal or int"),
    spoil_offer_id: ("Offer.external_id", "the adapter returned int, but the field takes str"),
    spoil_rating: ("Product.rating", "the adapter returned float, but the field takes Decimal"),
    spoil_flag: ("Product.review_count", "the adapter returned bool, but the field takes int"),
    spoil_reference: ("Offer.seller_external_id", "returned int, but the field takes str"),
    spoil_database: ("", "the adapter returned Lot, which is not a record type of its database"),
    spoil_point: ("PricePoint.price", "returned str, but the field takes Decimal or int"),
}


@pytest.fixture
def spoil(monkeypatch):
    """Return a function that makes the adapter change the records of product 2."""

    def spoil(change):
        [shape] = [entry for entry in uzum.SHAPES if entry.name == "UZ-GQL-CARD"]

        def parse(payload, context):
            parsed = shape.parse(payload, context)
            spoiled = payload["productId"] == 2
            return parsed._replace(records=change(*parsed.records)) if spoiled else parsed

        monkeypatch.setattr(uzum, "SHAPES", (replace(shape, parse=parse),))

    return spoil


@pytest.fixture
def path(tmp_path):
    """Return the path of a file with three products."""
    path = tmp_path / "three.jsonl"
    path.write_text("\n".join(json.dumps(card(number)) for number in (1, 2, 3)))
    return str(path)


@pytest.mark.django_db(databases=["ecommerce"])
@pytest.mark.parametrize("change", FAULTS, ids=lambda change: change.__name__)
def test_one_record_is_rejected_by_the_survey_and_the_load(change, spoil, path):
    spoil(change)
    field, reason = FAULTS[change]

    surveyed = survey("uzum", [path])
    summary = ingest("uzum", [path], observed_at=NOON)

    [fault] = surveyed.faults
    [rejected] = QuarantinedRecord.objects.all()
    assert (surveyed.items, surveyed.fault_count) == (2, 1)
    assert (summary.created, summary.rejected) == (2, 1)
    assert (fault.field, fault.reason) == (rejected.field, rejected.reason)
    assert rejected.field == field
    assert reason in rejected.reason
    assert set(Product.objects.values_list("external_id", flat=True)) == {"1", "3"}
    assert set(Offer.objects.values_list("external_id", flat=True)) == {"1", "3"}


@pytest.mark.django_db(databases=["ecommerce"])
def test_the_id_of_an_item_must_be_text(monkeypatch, path):
    [shape] = [entry for entry in uzum.SHAPES if entry.name == "UZ-GQL-CARD"]

    def parse(payload, context):
        return shape.parse(payload, context)._replace(external_id=payload["productId"])

    monkeypatch.setattr(uzum, "SHAPES", (replace(shape, parse=parse),))

    surveyed, summary = survey("uzum", [path]), ingest("uzum", [path])

    assert (surveyed.items, summary.created, summary.rejected) == (0, 0, 3)
    reasons = {(row.field, row.reason) for row in QuarantinedRecord.objects.all()}
    assert reasons == {(fault.field, fault.reason) for fault in surveyed.faults}


def test_columns_and_records_agree():
    sound = PricePoint("1", NOON, Decimal(5), None)
    check_types([sound], {PricePoint})
    check_columns(PricePoint, [sound, sound])
    check_columns(PricePoint, [])

    wrong = sound._replace(is_available="yes")
    with pytest.raises(PayloadError, match=r"PricePoint\.is_available: the adapter returned str"):
        check_types([sound, wrong], {PricePoint})
    with pytest.raises(TypeError, match=r"PricePoint\.is_available"):
        check_columns(PricePoint, [sound, wrong])
