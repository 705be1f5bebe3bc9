/*
description = "The offers of a seller in a category or (is_total) in all, their prices beside those of other sellers of the same product, and the time of the last 30 days during which they were out of stock. Prices are compared in so'm."
indexes = [["is_total"], ["category_id"]]
*/
-- The 30 days before the newest observation.
WITH period AS MATERIALIZED (
    SELECT
        ((max(o.scraped_at) AT TIME ZONE 'Asia/Tashkent')::date - 30)::timestamp
        AT TIME ZONE 'Asia/Tashkent' AS since
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

-- The price of a product at each seller.
prices AS MATERIALIZED (
    SELECT
        o.product_id,
        o.seller_id,
        min(round(o.price * r.rate, 2)) AS price
    FROM ecommerce_offers AS o
    INNER JOIN rates AS r
        ON
            o.currency = r.currency
            AND (o.scraped_at AT TIME ZONE 'Asia/Tashkent')::date = r.day
    WHERE o.is_available IS NOT FALSE
    GROUP BY o.product_id, o.seller_id
    HAVING min(o.price * r.rate) IS NOT NULL
),

keys AS MATERIALIZED (
    SELECT
        s.kind,
        s.value,
        s.product_id,
        p.seller_id,
        p.price
    FROM ecommerce_same_product AS s
    INNER JOIN prices AS p ON s.product_id = p.product_id
),

-- The same products that several sellers sell. An unnamed seller is another one for each product.
markets AS (
    SELECT
        k.kind,
        k.value,
        min(k.price) AS lowest
    FROM keys AS k
    GROUP BY k.kind, k.value
    HAVING min(coalesce(k.seller_id, -k.product_id)) < max(coalesce(k.seller_id, -k.product_id))
),

compared AS (
    SELECT
        k.product_id,
        k.seller_id,
        k.price,
        min(m.lowest) AS lowest
    FROM keys AS k
    INNER JOIN markets AS m ON k.kind = m.kind AND k.value = m.value
    WHERE k.seller_id IS NOT NULL
    GROUP BY k.product_id, k.seller_id, k.price
),

positions AS (
    SELECT
        c.seller_id,
        p.category_id,
        count(*) AS compared,
        count(*) FILTER (WHERE c.price = c.lowest) AS cheapest,
        sum(ln((c.price / nullif(c.lowest, 0))::double precision)) AS log_above,
        count(nullif(c.lowest, 0)) AS n_above
    FROM compared AS c
    INNER JOIN ecommerce_products AS p ON c.product_id = p.id
    GROUP BY c.seller_id, p.category_id
),

-- The offers, and the time of the period in which they were observed.
offers AS MATERIALIZED (
    SELECT
        o.id,
        o.product_id,
        o.seller_id,
        p.category_id,
        o.is_available,
        o.scraped_at AS ends,
        greatest(o.first_seen_at, period.since) AS begins,
        o.scraped_at > greatest(o.first_seen_at, period.since) AS is_observed
    FROM period
    CROSS JOIN ecommerce_offers AS o
    INNER JOIN ecommerce_products AS p ON o.product_id = p.id
    WHERE o.seller_id IS NOT NULL
),

-- The changes within the period. The state lasts until the next one.
changes AS MATERIALIZED (
    SELECT
        h.offer_id,
        h.recorded_at,
        h.is_available,
        lead(h.recorded_at) OVER in_time AS ends,
        row_number() OVER in_time AS number
    FROM period
    INNER JOIN ecommerce_price_history AS h ON period.since < h.recorded_at
    WINDOW in_time AS (PARTITION BY h.offer_id ORDER BY h.recorded_at)
),

-- Seconds of the observed time during which an offer was out of stock.
absences AS (
    -- Without a change in the period, the availability is the current one.
    SELECT
        o.id,
        extract(epoch FROM o.ends - o.begins) AS seconds
    FROM offers AS o
    LEFT JOIN changes AS c ON o.id = c.offer_id
    WHERE o.is_observed AND c.offer_id IS NULL AND NOT o.is_available
    UNION ALL
    -- Until the first change, it is that of the point before.
    SELECT
        o.id,
        extract(epoch FROM c.recorded_at - o.begins) AS seconds
    FROM offers AS o
    INNER JOIN changes AS c ON o.id = c.offer_id
    CROSS JOIN LATERAL (
        SELECT h.is_available
        FROM ecommerce_price_history AS h
        WHERE h.offer_id = c.offer_id AND h.recorded_at < c.recorded_at
        ORDER BY h.recorded_at DESC
        LIMIT 1
    ) AS before
    WHERE o.is_observed AND c.number = 1 AND NOT before.is_available
    UNION ALL
    SELECT
        o.id,
        extract(epoch FROM coalesce(c.ends, o.ends) - c.recorded_at) AS seconds
    FROM offers AS o
    INNER JOIN changes AS c ON o.id = c.offer_id
    WHERE o.is_observed AND NOT c.is_available
),

absent AS (
    SELECT
        a.id,
        sum(a.seconds) AS seconds
    FROM absences AS a
    GROUP BY a.id
),

assortments AS (
    SELECT
        o.seller_id,
        o.category_id,
        count(*) AS offers,
        count(DISTINCT o.product_id) AS products,
        count(*) FILTER (WHERE NOT o.is_available) AS sold_out,
        coalesce(sum(a.seconds), 0) AS seconds_out,
        count(*) FILTER (WHERE o.is_observed) AS observed
    FROM offers AS o
    LEFT JOIN absent AS a ON o.id = a.id
    GROUP BY o.seller_id, o.category_id
)

SELECT
    s.platform,
    a.seller_id,
    a.category_id,
    grouping(a.category_id) = 1 AS is_total,
    sum(a.offers)::bigint AS offers,
    sum(a.products)::bigint AS products,
    sum(a.sold_out)::bigint AS sold_out,
    sum(a.seconds_out) AS seconds_out,
    sum(a.observed)::bigint AS observed,
    coalesce(sum(p.compared), 0)::bigint AS compared,
    coalesce(sum(p.cheapest), 0)::bigint AS cheapest,
    sum(p.log_above) AS log_above,
    coalesce(sum(p.n_above), 0)::bigint AS n_above
FROM assortments AS a
INNER JOIN ecommerce_sellers AS s ON a.seller_id = s.id
LEFT JOIN positions AS p
    -- IS NOT DISTINCT FROM cannot be hashed.
    ON a.seller_id = p.seller_id AND coalesce(a.category_id, 0) = coalesce(p.category_id, 0)
GROUP BY GROUPING SETS ((s.platform, a.seller_id, a.category_id), (s.platform, a.seller_id))
