"""Items that were loaded before are found by their hashes."""

import hashlib

import pytest
from django.db import connections

from ecommerce.models import Product
from ecommerce.platforms import uzum
from marketplace.exceptions import PayloadError
from marketplace.loading import deduplication
from marketplace.loading.ingest import load_documents
from marketplace.loading.targets import get_plan
from tests import factories
from tests.marketplace.loading import misreading

pytestmark = pytest.mark.django_db(databases=["ecommerce"])


def hash_of(number):
    return hashlib.md5(str(number).encode()).hexdigest()


def create_products(count):
    row = factories.product(external_id="other")
    Product.objects.using("ecommerce").bulk_create(
        [
            Product(
                platform="uzum",
                external_id=str(number),
                title=f"Choynak {number}",
                description="Chinni choynak. " * 20,
                content_hash=bytes.fromhex(hash_of(number)),
                first_seen_at=row.first_seen_at,
                last_seen_at=row.last_seen_at,
                updated_at=row.updated_at,
            )
            for number in range(count)
        ],
        batch_size=2000,
    )


def rows_read():
    """Rows and index entries of the products that this transaction has read."""
    with connections["ecommerce"].cursor() as cursor:
        cursor.execute(
            "SELECT sum(pg_stat_get_xact_tuples_returned(oid))::int FROM pg_class "
            "WHERE oid = 'ecommerce_products'::regclass OR oid IN (SELECT indexrelid "
            "FROM pg_index WHERE indrelid = 'ecommerce_products'::regclass)"
        )
        return cursor.fetchone()[0]


class TestKnownContents:
    def test_a_large_table_without_statistics_is_read_by_hash_only(self):
        create_products(5_000)
        before = rows_read()

        versions = deduplication.find_existing_versions(
            "ecommerce", "uzum", get_plan("ecommerce"), [hash_of(number) for number in range(100)]
        )

        assert {version.external_id for version in versions.values()} == set(map(str, range(100)))
        assert rows_read() - before <= 2 * 100

    def test_a_payload_that_was_loaded_before_is_not_parsed(self, monkeypatch):
        def fail(original, payload, context):
            raise PayloadError("title", "it was parsed")

        page = misreading.product(1, 0)
        load_documents("uzum", [page], observed_at=misreading.START)
        monkeypatch.setattr(uzum, "SHAPES", misreading.shapes_with(fail))

        again = load_documents("uzum", [page])
        other = load_documents("uzum", [misreading.product(2, 0)])

        assert (again.unchanged, again.rejected) == (1, 0)
        assert (other.unchanged, other.rejected) == (0, 1)
