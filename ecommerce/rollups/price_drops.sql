/*
description = "A price of an available offer that is below every price of the 30 days before it."
indexes = [["recorded_at"]]
*/
SELECT
    o.id AS offer_id,
    o.platform,
    o.product_id,
    o.seller_id,
    p.category_id,
    d.recorded_at,
    d.price,
    d.currency,
    d.lowest_before,
    least(30, extract(day FROM d.recorded_at - d.first_at)::integer) AS days_before,
    round(100 * (d.lowest_before - d.price) / d.lowest_before, 2) AS drop_percent
FROM ecommerce_offers AS o
INNER JOIN ecommerce_products AS p ON o.product_id = p.id
CROSS JOIN LATERAL (
    -- Each price, and the time at which the next one took its place.
    WITH prices AS (
        SELECT
            h.price,
            h.currency,
            h.is_available,
            h.recorded_at,
            lead(h.recorded_at) OVER in_time AS ends,
            lag(h.price) OVER in_time AS price_before,
            lag(h.currency) OVER in_time AS currency_before
        FROM ecommerce_price_history AS h
        WHERE h.offer_id = o.id AND h.is_outlier IS NOT TRUE
        WINDOW in_time AS (ORDER BY h.recorded_at)
    )

    SELECT
        c.recorded_at,
        c.price,
        c.currency,
        min(b.price) AS lowest_before,
        min(b.recorded_at) AS first_at
    FROM prices AS c
    INNER JOIN prices AS b
        ON
            c.recorded_at > b.recorded_at
            AND c.recorded_at - interval '30 days' < b.ends
            AND c.currency IS NOT DISTINCT FROM b.currency
    WHERE
        c.is_available IS NOT FALSE
        -- Other prices cannot be the lowest.
        AND (c.price < c.price_before OR c.currency IS DISTINCT FROM c.currency_before)
    GROUP BY c.recorded_at, c.price, c.currency
) AS d
WHERE d.price < d.lowest_before
