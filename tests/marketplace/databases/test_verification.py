import pytest
from django.db import connections

from marketplace.databases.names import ALL_ALIASES
from marketplace.databases.verification import verify

pytestmark = pytest.mark.django_db(databases="__all__")

EVENTS_FK = """
DO $$ BEGIN
    EXECUTE (
        SELECT format('ALTER TABLE classifieds_listing_events DROP CONSTRAINT %I', conname)
        FROM pg_constraint
        WHERE conrelid = 'classifieds_listing_events'::regclass AND contype = 'f'
    );
END $$
"""

SELLER_INDEX = """
DO $$ BEGIN
    EXECUTE (
        SELECT format('DROP INDEX %I', indexname) FROM pg_indexes
        WHERE indexname LIKE 'classifieds_listings_seller_id_%'
    );
END $$
"""

INVALID = """
UPDATE pg_index SET indisvalid = false
WHERE indexrelid = 'classifieds_listings_posted'::regclass
"""

DRIFTS = [
    (
        "DROP INDEX classifieds_listings_posted",
        "missing index classifieds_listings_posted on classifieds_listings",
    ),
    (INVALID, "invalid index classifieds_listings_posted on classifieds_listings"),
    (
        "DROP INDEX classifieds_listings_posted;"
        "CREATE INDEX classifieds_listings_posted ON classifieds_listings (sold_at)",
        "index classifieds_listings_posted on classifieds_listings is on (sold_at), "
        "expected (posted_at)",
    ),
    (
        "DROP INDEX classifieds_listings_earth; CREATE INDEX classifieds_listings_earth ON "
        "classifieds_listings USING gist (ll_to_earth(latitude, longitude))",
        "index classifieds_listings_earth on classifieds_listings has no condition",
    ),
    (SELLER_INDEX, "missing index on classifieds_listings (seller_id)"),
    (
        "CREATE INDEX by_hand ON classifieds_sellers (name)",
        "unexpected index by_hand on classifieds_sellers",
    ),
    (
        "ALTER TABLE classifieds_listings DROP CONSTRAINT classifieds_listings_price",
        "missing constraint classifieds_listings_price on classifieds_listings",
    ),
    (
        "ALTER TABLE classifieds_sellers DROP CONSTRAINT classifieds_sellers_key",
        "missing constraint classifieds_sellers_key on classifieds_sellers",
    ),
    (EVENTS_FK, "missing foreign key on classifieds_listing_events (listing_id)"),
    (
        "ALTER TABLE classifieds_exchange_rates DROP CONSTRAINT classifieds_exchange_rates_pkey",
        "missing primary key on classifieds_exchange_rates (id)",
    ),
    (
        "ALTER TABLE classifieds_sellers ADD CONSTRAINT by_hand CHECK (name <> '')",
        "unexpected constraint by_hand on classifieds_sellers",
    ),
    (
        "ALTER TABLE classifieds_listings DROP COLUMN rooms",
        "missing column classifieds_listings.rooms",
    ),
    (
        "ALTER TABLE classifieds_listings ADD COLUMN floor int",
        "unexpected column classifieds_listings.floor",
    ),
    (
        "ALTER TABLE classifieds_listings ALTER COLUMN price TYPE numeric(20, 4)",
        "type of classifieds_listings.price is numeric(20,4), expected numeric(18, 2)",
    ),
    (
        "ALTER TABLE classifieds_listings ALTER COLUMN platform DROP NOT NULL",
        "classifieds_listings.platform is nullable, expected NOT NULL",
    ),
    (
        "ALTER TABLE classifieds_listings ALTER COLUMN search_vector DROP EXPRESSION",
        "classifieds_listings.search_vector is not a generated column, expected one",
    ),
    ("DROP TABLE classifieds_payloads", "missing table classifieds_payloads"),
    ("CREATE TABLE by_hand (id int)", "unexpected table by_hand"),
    (
        "CREATE TABLE procurement_lots (id int)",
        "foreign table procurement_lots, which belongs to procurement",
    ),
    (
        "CREATE SCHEMA hidden; CREATE VIEW hidden.ecommerce_offers AS SELECT 1",
        "foreign table ecommerce_offers, which belongs to ecommerce",
    ),
    (
        "DELETE FROM django_migrations WHERE app = 'classifieds' AND name = '0003_loading'",
        "pending migration 0003_loading",
    ),
    (
        "INSERT INTO django_migrations (app, name, applied) "
        "VALUES ('classifieds', '0099_newer', now())",
        "unknown migration 0099_newer",
    ),
]


class TestVerify:
    @pytest.mark.parametrize("alias", ALL_ALIASES)
    def test_finds_no_differences_after_migrating(self, alias):
        verification = verify(alias)

        assert verification.drifts == ()
        assert verification.tables > 5

    @pytest.mark.parametrize(("statement", "drift"), DRIFTS)
    def test_reports_the_difference(self, statement, drift):
        with connections["classifieds"].cursor() as cursor:
            cursor.execute(statement)

        assert verify("classifieds").drifts == (drift,)

    def test_accepts_partitions(self):
        with connections["ecommerce"].cursor() as cursor:
            cursor.execute("SELECT ecommerce_create_price_month('2031-01-01')")

        assert verify("ecommerce").drifts == ()
