/*
description = "The available offers of a platform in a category, as a part of a category that contains it or of all. Prices are in so'm, at the rate of the day on which the offer was observed."
indexes = [["within"]]
*/
-- Each category, as a part of those that contain it: of all, of each part of its path, of itself.
WITH parts AS (
    SELECT
        c.id,
        array_to_string(n.names[:depth.levels], ' > ') AS within,
        array_to_string(n.names[:depth.levels + 1], ' > ') AS category
    FROM ecommerce_categories AS c
    CROSS JOIN LATERAL (SELECT string_to_array(c.path_names, ' > ') AS names) AS n
    CROSS JOIN LATERAL generate_series(1, cardinality(n.names)) AS depth (levels)
    UNION
    SELECT
        c.id,
        NULL AS within,
        split_part(coalesce(c.path_names, c.name), ' > ', 1) AS category
    FROM ecommerce_categories AS c
    UNION
    SELECT
        c.id,
        c.name AS within,
        coalesce(c.path_names, c.name) AS category
    FROM ecommerce_categories AS c
    WHERE (left(c.path_names || ' > ', length(c.name) + 3) = c.name || ' > ') IS NOT TRUE
),

-- The 30 days before the newest observation.
period AS (
    SELECT
        ((max(o.scraped_at) AT TIME ZONE 'Asia/Tashkent')::date - 30)::timestamp
        AT TIME ZONE 'Asia/Tashkent' AS began_at
    FROM ecommerce_offers AS o
),

days AS (
    SELECT DISTINCT
        o.currency,
        (o.scraped_at AT TIME ZONE 'Asia/Tashkent')::date AS day
    FROM ecommerce_offers AS o
),

rates AS MATERIALIZED (
    SELECT
        d.currency,
        d.day,
        ecommerce_rate(d.currency, d.day) AS rate
    FROM days AS d
),

offers AS MATERIALIZED (
    SELECT
        p.category_id,
        o.platform,
        o.product_id,
        o.seller_id,
        round(o.price * r.rate, 2)::double precision AS price,
        o.discount_percent > 0 AS is_discounted,
        (100 * (o.price - h.price) / nullif(h.price, 0))::double precision AS change_percent
    FROM ecommerce_offers AS o
    INNER JOIN ecommerce_products AS p ON o.product_id = p.id
    LEFT JOIN rates AS r
        ON
            o.currency = r.currency
            AND (o.scraped_at AT TIME ZONE 'Asia/Tashkent')::date = r.day
    LEFT JOIN LATERAL (
        -- The price in effect 30 days before.
        SELECT h.price, h.currency
        FROM ecommerce_price_history AS h
        WHERE
            h.offer_id = o.id
            AND h.recorded_at <= (SELECT b.began_at FROM period AS b)
            AND h.is_outlier IS NOT TRUE
        ORDER BY h.recorded_at DESC
        LIMIT 1
    ) AS h ON h.currency IS NOT DISTINCT FROM o.currency
    WHERE o.is_available IS NOT FALSE
),

counted AS (
    SELECT
        c.within,
        c.category,
        o.platform,
        count(DISTINCT o.product_id) AS products,
        count(*) AS offers,
        nullif(count(DISTINCT o.seller_id), 0) AS sellers,
        percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY o.price) AS quartiles,
        count(o.price) AS n_used,
        count(*) FILTER (WHERE o.is_discounted) AS discounted,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY o.change_percent) AS change_percent,
        count(o.change_percent) AS n_compared
    FROM offers AS o
    LEFT JOIN parts AS c ON o.category_id = c.id
    GROUP BY c.within, c.category, o.platform
)

SELECT
    c.within,
    c.category,
    c.platform,
    c.products,
    c.offers,
    c.sellers,
    round(c.quartiles[1]::numeric, 2) AS quartile_1,
    round(c.quartiles[2]::numeric, 2) AS median,
    round(c.quartiles[3]::numeric, 2) AS quartile_3,
    c.n_used,
    c.discounted,
    round(c.change_percent::numeric, 2) AS change_percent,
    c.n_compared
FROM counted AS c
