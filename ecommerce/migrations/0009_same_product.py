"""Which products are the same: by title and by barcode. And the full-text search of products.

PostgreSQL parses the bodies of the functions and the view when they are created, so they do not
depend on a session's search path. Drop them before you change a column that they read.
"""

from django.contrib.postgres.indexes import HashIndex
from django.db import migrations, models

# Of the 14 digits of a GTIN, those at odd positions count three times.
_CHECKSUM = " + ".join(
    f"{3 if position % 2 else 1} * substr(lpad(code, 14, '0'), {position}, 1)::integer"
    for position in range(1, 15)
)

# Returns whether a text is a GTIN: 8, 12, 13 or 14 digits, of which the last is the check digit of
# the others. Only zeros are a placeholder. The body is one expression without a subquery, so that
# the planner can inline it.
_IS_BARCODE = f"""
CREATE FUNCTION ecommerce_is_barcode(code text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN code ~ '^([0-9]{{8}}|[0-9]{{12,14}})$' AND code ~ '[1-9]' THEN ({_CHECKSUM}) % 10 = 0
        ELSE false
    END;
END;
"""

# Products with the same kind and value are the same product.
_SAME_PRODUCT = """
CREATE VIEW ecommerce_same_product AS
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

# Returns the ids of a product and of those that are the same by any kind and value. OFFSET 0 makes
# the planner look up each of them in an index.
_SAME_PRODUCTS = """
CREATE FUNCTION ecommerce_same_products(product bigint) RETURNS SETOF bigint
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
BEGIN ATOMIC
    SELECT product
    UNION
    SELECT same.product_id
    FROM ecommerce_same_product AS k
    CROSS JOIN LATERAL (
        SELECT s.product_id
        FROM ecommerce_same_product AS s
        WHERE s.kind = k.kind AND s.value = k.value
        OFFSET 0
    ) AS same
    WHERE k.product_id = product;
END;
"""

# Returns the ids of the products that match a user's input: words, "phrases", or, -excluded.
# Repeated minus signs are dropped: each is a NOT, and PostgreSQL nests only few of them. The planner
# inlines the function, so that it uses the index on the same expression.
_SEARCH = r"""
CREATE FUNCTION ecommerce_search(words text) RETURNS SETOF bigint
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT p.id
    FROM ecommerce_products AS p
    WHERE to_tsvector(
        'russian'::regconfig,
        coalesce(p.title, '') || ' ' || coalesce(p.title_ru, '') || ' '
        || coalesce(p.title_uz, '') || ' ' || coalesce(p.title_en, '') || ' '
        || coalesce(p.brand, '')
    ) @@ websearch_to_tsquery(
        'russian'::regconfig,
        regexp_replace(words, '(?<![^\s!&|()])-[\s!&|()-]*-', ' ', 'g')
    );
END;
"""


def _barcode_index(name):
    return HashIndex(fields=["barcode"], name=name, condition=models.Q(barcode__isnull=False))


class Migration(migrations.Migration):
    dependencies = [("ecommerce", "0008_batch_count")]

    operations = [
        migrations.AddIndex("Product", _barcode_index("ecommerce_products_barcode")),
        migrations.AddIndex("Offer", _barcode_index("ecommerce_offers_barcode")),
        migrations.RunSQL(_IS_BARCODE, "DROP FUNCTION ecommerce_is_barcode"),
        migrations.RunSQL(_SAME_PRODUCT, "DROP VIEW ecommerce_same_product"),
        migrations.RunSQL(_SAME_PRODUCTS, "DROP FUNCTION ecommerce_same_products"),
        migrations.RunSQL(_SEARCH, "DROP FUNCTION ecommerce_search"),
    ]
