-- Fills known_observations with all known states of the offers in stage_price_series. Archived
-- points are added later; other observations in archived months are ignored. If two states have the
-- same time, the one with the lower rank wins, then the one with the lower position:
--   0  an observation; without a price: the offer, or each offer of a product, is out of stock
--   1  a point of the history, whose payload may not be stored
--   2  the offer before this batch
--   3  the offer now
INSERT INTO known_observations (
    offer_id, rank, position, recorded_at, price, old_price, currency, is_available,
    available_amount, price_change, price_change_percent, is_outlier, is_last
)
WITH sold_out AS MATERIALIZED (
    SELECT s.product_external_id, p.id AS product_id, o.id
    FROM (
        SELECT DISTINCT product_external_id
        FROM stage_price_series
        WHERE product_external_id IS NOT NULL
    ) AS s
    CROSS JOIN LATERAL (
        SELECT id
        FROM ecommerce_products
        WHERE platform = %(platform)s AND external_id = s.product_external_id
        OFFSET 0
    ) AS p
    CROSS JOIN LATERAL (
        SELECT id FROM ecommerce_offers WHERE product_id = p.id OFFSET 0
    ) AS o
),

observed_offers AS (
    SELECT o.id
    FROM (SELECT DISTINCT offer_external_id FROM stage_price_series) AS s
    -- OFFSET 0 forces one index lookup per offer: the staging table has no statistics.
    CROSS JOIN LATERAL (
        SELECT id
        FROM ecommerce_offers
        WHERE platform = %(platform)s AND external_id = s.offer_external_id
        OFFSET 0
    ) AS o
    UNION
    SELECT id FROM sold_out
),

offers AS MATERIALIZED (
    SELECT o.*
    FROM observed_offers AS n
    CROSS JOIN LATERAL (SELECT * FROM ecommerce_offers WHERE id = n.id OFFSET 0) AS o
)

SELECT
    o.id,
    0,
    s.position,
    s.recorded_at,
    s.price,
    s.old_price,
    s.currency,
    s.is_available,
    s.available_amount,
    NULL,
    NULL,
    NULL,
    false
FROM stage_price_series AS s
INNER JOIN offers AS o ON s.offer_external_id = o.external_id
WHERE NOT ecommerce_is_archived(s.recorded_at)
UNION ALL
SELECT
    h.offer_id,
    1,
    0,
    h.recorded_at,
    h.price,
    h.old_price,
    h.currency,
    h.is_available,
    h.available_amount,
    h.price_change,
    h.price_change_percent,
    h.is_outlier,
    h.recorded_at = max(h.recorded_at) OVER (PARTITION BY h.offer_id)
FROM offers AS o
CROSS JOIN LATERAL (
    SELECT * FROM ecommerce_price_history WHERE offer_id = o.id OFFSET 0
) AS h
UNION ALL
SELECT
    o.id,
    2,
    0,
    p.scraped_at,
    p.price,
    p.old_price,
    p.currency,
    p.is_available,
    p.stock_quantity,
    NULL,
    NULL,
    NULL,
    false
FROM prior_ecommerce_offers AS p
INNER JOIN offers AS o ON p.id = o.id
UNION ALL
SELECT
    id, 3, 0, scraped_at, price, old_price, currency, is_available, stock_quantity,
    NULL, NULL, NULL, false
FROM offers
UNION ALL
SELECT
    o.id, 0, s.position, s.recorded_at, NULL, NULL, NULL, s.is_available, s.available_amount,
    NULL, NULL, NULL, false
FROM stage_price_series AS s
INNER JOIN sold_out AS o ON s.product_external_id = o.product_external_id
WHERE
    NOT ecommerce_is_archived(s.recorded_at)
    -- As in sold_out_offers.sql: the availability of a product is ignored if one of its offers is
    -- observed.
    AND (o.product_id, s.recorded_at) NOT IN (
        SELECT f.product_id, t.recorded_at
        FROM stage_price_series AS t
        INNER JOIN offers AS f ON t.offer_external_id = f.external_id
    );
