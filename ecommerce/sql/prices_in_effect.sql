-- Sets the price of staged offers without one to the price in effect at the time of observation:
-- the last known price or, for late arrivals, the price in the history. Deletes those before the
-- first price, which have none.
WITH unpriced AS MATERIALIZED (
    SELECT
        p.*,
        s.scraped_at AS observed_at,
        -- Prices of archived months are looked up later.
        s.scraped_at >= p.scraped_at
        OR EXISTS (SELECT FROM ecommerce_archived_months) AS is_settled
    FROM stage_ecommerce_offers AS s
    INNER JOIN prior_ecommerce_offers AS p ON s.external_id = p.external_id
    WHERE s.price IS NULL
),

known AS (
    SELECT
        p.external_id,
        coalesce(h.price, p.price) AS price,
        CASE WHEN h.price IS NULL THEN p.old_price ELSE h.old_price END AS old_price,
        CASE WHEN h.price IS NULL THEN p.currency ELSE h.currency END AS currency,
        CASE WHEN h.price IS NULL THEN p.currency_text END AS currency_text
    FROM unpriced AS p
    LEFT JOIN LATERAL (
        SELECT *
        FROM ecommerce_price_history
        WHERE
            offer_id = p.id
            AND recorded_at <= p.observed_at
            AND p.observed_at < p.scraped_at
        ORDER BY recorded_at DESC
        LIMIT 1
    ) AS h ON true
    WHERE p.is_settled OR h.price IS NOT NULL
),

priced AS (
    UPDATE stage_ecommerce_offers AS s
    SET
        price = k.price,
        old_price = k.old_price,
        currency = k.currency,
        currency_text = k.currency_text,
        stock_quantity = 0
    FROM known AS k
    WHERE s.external_id = k.external_id AND s.price IS NULL
    RETURNING s.external_id
)

DELETE FROM stage_ecommerce_offers
WHERE price IS NULL AND external_id NOT IN (SELECT external_id FROM priced);
