-- Inserts the first points of new offers.
INSERT INTO ecommerce_price_history (
    offer_id, price, old_price, currency, is_available, available_amount, recorded_at
)
SELECT o.id, o.price, o.old_price, o.currency, o.is_available, o.stock_quantity, o.scraped_at
FROM unnest(%(offers)s::bigint[]) AS n (id)
-- OFFSET 0 forces a lookup by key: the new rows are not in the statistics yet.
CROSS JOIN LATERAL (
    SELECT * FROM ecommerce_offers AS c
    WHERE c.id = n.id
    OFFSET 0
) AS o;
