-- The first points of offers that were just created.
INSERT INTO ecommerce_price_history (
    offer_id, price, old_price, currency, is_available, available_amount, recorded_at
)
SELECT o.id, o.price, o.old_price, o.currency, o.is_available, o.stock_quantity, o.scraped_at
FROM unnest(%(offers)s::bigint[]) AS n (id)
-- Each by its key: what was just created is in no statistics.
CROSS JOIN LATERAL (
    SELECT * FROM ecommerce_offers AS c
    WHERE c.id = n.id
    OFFSET 0
) AS o;
