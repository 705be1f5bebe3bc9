"""The products of lots of the shop, whose unit price and amount only `raw_data` had."""

from django.db import migrations

# A list of the shop names the product in the lot itself. Numbers are checked before they are cast.
FILL = """
INSERT INTO procurement_lot_items (
    platform, external_id, lot_id, order_num, product_name, quantity, price, cost, currency,
    currency_text, first_seen_at, last_seen_at, updated_at
)
SELECT
    platform, external_id || ':1', id, 1, title,
    CASE WHEN raw_data ->> 'amount' ~ '^[0-9]{1,15}([.][0-9]+)?$'
        THEN round((raw_data ->> 'amount')::numeric, 4) END,
    CASE WHEN raw_data ->> 'price' ~ '^[0-9]{1,15}([.][0-9]+)?$'
        THEN nullif(round((raw_data ->> 'price')::numeric, 2), 0) END,
    start_cost, currency, currency_text, first_seen_at, last_seen_at, last_seen_at
FROM procurement_lots
WHERE platform = 'uzex' AND external_id LIKE 'shop:%' AND raw_data ?& ARRAY['id', 'cost', 'price']
ON CONFLICT (platform, external_id) DO UPDATE
SET
    quantity = coalesce(procurement_lot_items.quantity, EXCLUDED.quantity),
    price = coalesce(procurement_lot_items.price, EXCLUDED.price),
    cost = coalesce(procurement_lot_items.cost, EXCLUDED.cost)
"""


class Migration(migrations.Migration):
    dependencies = [
        ("procurement", "0010_newest_first"),
    ]

    operations = [
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
