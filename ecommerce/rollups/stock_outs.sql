/*
description = "A time during which an offer was out of stock. Its begin is unknown for offers that were first observed out of stock; its end, while the offer is not back."
indexes = [["out_at"], ["back_at"]]
*/
WITH states AS (
    SELECT
        h.offer_id,
        h.recorded_at,
        h.is_available,
        lag(h.is_available) OVER (PARTITION BY h.offer_id ORDER BY h.recorded_at) AS was_available
    FROM ecommerce_price_history AS h
    WHERE h.is_available IS NOT NULL
),

changes AS (
    SELECT
        s.offer_id,
        s.recorded_at,
        s.is_available,
        s.was_available,
        lead(s.recorded_at) OVER (PARTITION BY s.offer_id ORDER BY s.recorded_at) AS next_at
    FROM states AS s
    WHERE s.is_available IS DISTINCT FROM s.was_available
)

SELECT
    c.offer_id,
    o.platform,
    o.product_id,
    o.seller_id,
    p.category_id,
    CASE WHEN c.was_available THEN c.recorded_at END AS out_at,
    c.next_at AS back_at,
    o.scraped_at AS seen_at
FROM changes AS c
INNER JOIN ecommerce_offers AS o ON c.offer_id = o.id
INNER JOIN ecommerce_products AS p ON o.product_id = p.id
WHERE NOT c.is_available AND (c.was_available OR c.next_at IS NOT NULL)
