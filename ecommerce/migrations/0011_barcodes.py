"""A barcode is equal in all its lengths, and in-store barcodes are not compared.

A GTIN of 8, 12 or 13 digits is the GTIN of 14 digits with zeros before it.
"""

from django.contrib.postgres.indexes import HashIndex
from django.db import migrations, models
from django.db.models.functions import LPad

# Returns whether a text is a GTIN that names the same product in all shops. Each shop assigns the
# numbers that begin with 02, 04 or 2 (13 digits), or with 0 or 2 (8 digits), for itself: GS1 General
# Specifications, section 1.4.
_IS_SHARED_BARCODE = """
CREATE FUNCTION ecommerce_is_shared_barcode(code text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN ecommerce_is_barcode(code)
        THEN lpad(code, 14, '0') !~ '^.(2|0[24])' AND NOT (length(code) = 8 AND code ~ '^[02]')
        ELSE false
    END;
END;
"""

# Products with the same kind and value are the same product.
_SAME_PRODUCT = """
CREATE OR REPLACE VIEW ecommerce_same_product AS
SELECT p.id AS product_id, 'title' AS kind, p.title_normalized AS value
FROM ecommerce_products AS p
WHERE p.title_normalized <> ''
UNION ALL
SELECT p.id AS product_id, 'barcode' AS kind, lpad(p.barcode, 14, '0') AS value
FROM ecommerce_products AS p
WHERE ecommerce_is_shared_barcode(p.barcode)
UNION ALL
SELECT o.product_id, 'barcode' AS kind, lpad(o.barcode, 14, '0') AS value
FROM ecommerce_offers AS o
WHERE ecommerce_is_shared_barcode(o.barcode);
"""

_PREVIOUS = """
CREATE OR REPLACE VIEW ecommerce_same_product AS
SELECT p.id AS product_id, 'title' AS kind, p.title_normalized AS value
FROM ecommerce_products AS p
WHERE p.title_normalized <> ''
UNION ALL
SELECT p.id AS product_id, 'barcode' AS kind, p.barcode AS value
FROM ecommerce_products AS p
WHERE ecommerce_is_barcode(p.barcode)
UNION ALL
SELECT o.product_id, 'barcode' AS kind, o.barcode AS value
FROM ecommerce_offers AS o
WHERE ecommerce_is_barcode(o.barcode);
"""


def _index(name):
    return HashIndex(
        LPad("barcode", 14, models.Value("0")),
        name=name,
        condition=models.Q(barcode__isnull=False),
    )


class Migration(migrations.Migration):
    dependencies = [("ecommerce", "0010_category_filter")]

    operations = [
        migrations.RunSQL(_IS_SHARED_BARCODE, "DROP FUNCTION ecommerce_is_shared_barcode"),
        migrations.RunSQL(_SAME_PRODUCT, _PREVIOUS),
        migrations.RemoveIndex("Product", "ecommerce_products_barcode"),
        migrations.RemoveIndex("Offer", "ecommerce_offers_barcode"),
        migrations.AddIndex("Product", _index("ecommerce_products_barcode")),
        migrations.AddIndex("Offer", _index("ecommerce_offers_barcode")),
    ]
