-- Products with late arrivals in the batch that contradict the history: a state before the newest
-- known one that differs from the point in effect at that time, or shows that a point marked as an
-- outlier was genuine. If two states have the same time, the first stored one wins.
--
-- Archived months are closed, so observations in them are ignored here.
--
-- If an offer moved from one product to another, both products are returned.
WITH late AS (
    SELECT
        p.id,
        p.product_id,
        s.product_external_id,
        s.scraped_at AS recorded_at,
        s.price,
        s.old_price,
        s.currency,
        s.is_available
    FROM stage_ecommerce_offers AS s
    INNER JOIN prior_ecommerce_offers AS p ON s.external_id = p.external_id
    WHERE s.scraped_at < p.scraped_at AND NOT ecommerce_is_archived(s.scraped_at)
    UNION ALL
    SELECT
        p.id,
        p.product_id,
        s.product_external_id,
        e.recorded_at,
        e.price,
        e.old_price,
        e.currency,
        e.is_available
    FROM stage_price_points AS e
    INNER JOIN prior_ecommerce_offers AS p ON e.offer_external_id = p.external_id
    INNER JOIN stage_ecommerce_offers AS s ON e.offer_external_id = s.external_id
    WHERE
        e.recorded_at < p.scraped_at
        AND e.recorded_at < s.scraped_at
        AND NOT ecommerce_is_archived(e.recorded_at)
),

contradicted AS MATERIALIZED (
    SELECT DISTINCT late.id, late.product_id, late.product_external_id
    FROM late
    LEFT JOIN LATERAL (
        SELECT h.*
        FROM ecommerce_price_history AS h
        WHERE h.offer_id = late.id AND h.recorded_at <= late.recorded_at
        ORDER BY h.recorded_at DESC
        LIMIT 1
    ) AS known ON true
    WHERE
        known.offer_id IS NULL
        OR (
            known.recorded_at < late.recorded_at
            AND (
                known.is_outlier IS NOT NULL
                OR (known.price, known.old_price, known.currency)
                IS DISTINCT FROM (late.price, late.old_price, late.currency)
                OR (
                    late.is_available IS NOT NULL
                    AND late.is_available IS DISTINCT FROM known.is_available
                )
            )
        )
),

-- A hashed subplan finds the new offers. Most of those of a product have the same time.
new_offers AS MATERIALIZED (
    SELECT DISTINCT product_external_id, scraped_at
    FROM stage_ecommerce_offers
    WHERE external_id NOT IN (SELECT external_id FROM prior_ecommerce_offers)
),

-- New offers of products that were observed later: those observations may show that the product,
-- and so the offer, was out of stock. Materialized, so that only their times are looked up below.
late_offers AS MATERIALIZED (
    SELECT s.product_external_id, s.scraped_at
    FROM new_offers AS s
    CROSS JOIN LATERAL (
        SELECT last_seen_at
        FROM ecommerce_products
        WHERE platform = %(platform)s AND external_id = s.product_external_id
        OFFSET 0
    ) AS p
    WHERE p.last_seen_at > s.scraped_at
)

SELECT product_external_id FROM contradicted
UNION
SELECT product_external_id FROM late_offers WHERE NOT ecommerce_is_archived(scraped_at)
UNION
SELECT (
    SELECT external_id FROM ecommerce_products WHERE id = contradicted.product_id
)
FROM contradicted
UNION
SELECT (
    SELECT n.external_id
    FROM ecommerce_offers AS o
    INNER JOIN ecommerce_products AS n ON o.product_id = n.id
    WHERE o.id = contradicted.id
)
FROM contradicted;
