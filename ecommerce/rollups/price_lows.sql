/*
description = "An available offer whose price is below every earlier price of some period: of 90 or 365 days, or of all days."
indexes = [["since"]]
*/
WITH lows AS (
    SELECT
        o.id AS offer_id,
        o.platform,
        o.product_id,
        o.seller_id,
        o.price,
        o.currency,
        l.since,
        l.first_at,
        CASE WHEN l.first_at <= l.since - interval '90 days' THEN l.low_90 END AS low_90,
        CASE WHEN l.first_at <= l.since - interval '365 days' THEN l.low_365 END AS low_365,
        l.low_all
    FROM ecommerce_offers AS o
    CROSS JOIN LATERAL (
        SELECT
            b.since,
            min(b.begins) AS first_at,
            min(b.price) AS low_all,
            min(b.price) FILTER (WHERE b.ends > b.since - interval '90 days') AS low_90,
            min(b.price) FILTER (WHERE b.ends > b.since - interval '365 days') AS low_365
        FROM (
            -- The current price took effect after the last other one.
            SELECT
                w.*,
                min(w.begins) FILTER (WHERE w.begins > w.last_other_at) OVER () AS since
            FROM (
                -- Each price, and the time at which the next one took its place.
                SELECT
                    h.price,
                    h.currency,
                    h.recorded_at AS begins,
                    lead(h.recorded_at) OVER (ORDER BY h.recorded_at) AS ends,
                    max(h.recorded_at) FILTER (
                        WHERE h.price <> o.price OR h.currency IS DISTINCT FROM o.currency
                    ) OVER () AS last_other_at
                FROM ecommerce_price_history AS h
                WHERE h.offer_id = o.id AND h.is_outlier IS NOT TRUE
            ) AS w
        ) AS b
        WHERE b.begins < b.since AND b.currency IS NOT DISTINCT FROM o.currency
        GROUP BY b.since
    ) AS l
    WHERE o.is_available IS NOT FALSE
)

SELECT
    l.*,
    p.category_id,
    round(100 * (l.low_90 - l.price) / nullif(l.low_90, 0), 2) AS below_90,
    round(100 * (l.low_365 - l.price) / nullif(l.low_365, 0), 2) AS below_365,
    round(100 * (l.low_all - l.price) / nullif(l.low_all, 0), 2) AS below_all
FROM lows AS l
INNER JOIN ecommerce_products AS p ON l.product_id = p.id
WHERE l.price < greatest(l.low_90, l.low_365, l.low_all)
