/*
description = "A completed lot of the last 90 days, and one of the last year, with what its signs of risk are judged by. Amounts are in so'm. A price is compared if at least 5 others of the product are known. Beside it are the numbers of lots that can be judged."
indexes = [["since"], ["customer_id"], ["provider_id"]]
*/
WITH periods (since) AS (
    VALUES
        ((now() AT TIME ZONE 'Asia/Tashkent')::date - 90),
        (((now() AT TIME ZONE 'Asia/Tashkent')::date - interval '1 year')::date)
),

completed AS MATERIALIZED (
    SELECT
        p.since,
        l.id,
        l.customer_id,
        l.provider_id,
        l.participants_count,
        l.start_cost,
        l.deal_cost,
        l.currency,
        l.starts_at,
        l.ends_at,
        l.deal_date,
        l.last_seen_at,
        d.day,
        procurement_convert(l.deal_cost, l.currency, 'UZS', d.day) AS amount
    FROM periods AS p
    INNER JOIN procurement_lots AS l
        ON l.deal_date >= p.since::timestamp AT TIME ZONE 'Asia/Tashkent'
    CROSS JOIN LATERAL (SELECT (l.deal_date AT TIME ZONE 'Asia/Tashkent')::date AS day) AS d
    WHERE l.status = 'completed'
),

-- How much of all its sales a supplier has with each customer.
dependence AS (
    SELECT
        since,
        provider_id,
        customer_id,
        100 * sum(amount) / nullif(sum(sum(amount)) OVER supplier, 0) AS share_percent,
        sum(count(amount)) OVER supplier AS sales
    FROM completed
    WHERE provider_id IS NOT NULL AND customer_id IS NOT NULL
    GROUP BY since, provider_id, customer_id
    WINDOW supplier AS (PARTITION BY since, provider_id)
),

prices AS MATERIALIZED (
    SELECT
        c.since,
        i.id,
        c.id AS lot_id,
        i.product_name,
        lower(i.product_name) AS product,
        lower(i.measure_name) AS measure,
        procurement_convert(nullif(i.price, 0), i.currency, 'UZS', c.day) AS price
    FROM completed AS c
    INNER JOIN procurement_lot_items AS i ON c.id = i.lot_id
    WHERE i.product_name IS NOT NULL AND i.measure_name IS NOT NULL
),

medians AS MATERIALIZED (
    SELECT
        since,
        product,
        measure,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY price) AS median
    FROM prices
    WHERE price IS NOT NULL
    GROUP BY since, product, measure
    HAVING count(*) > 5
),

-- The median of the absolute deviations from the median.
deviations AS (
    SELECT
        p.since,
        p.product,
        p.measure,
        m.median,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(p.price - m.median)) AS mad
    FROM prices AS p
    INNER JOIN medians AS m
        ON p.since = m.since AND p.product = m.product AND p.measure = m.measure
    WHERE p.price IS NOT NULL
    GROUP BY p.since, p.product, p.measure, m.median
),

-- The most unusual price of each lot. The item itself is not among its comparables.
unit_prices AS (
    SELECT DISTINCT ON (p.since, p.lot_id)
        p.since,
        p.lot_id,
        p.product_name,
        p.price,
        d.median,
        s.score
    FROM prices AS p
    INNER JOIN deviations AS d
        ON p.since = d.since AND p.product = d.product AND p.measure = d.measure
    CROSS JOIN LATERAL (
        SELECT 0.6745 * abs(p.price - d.median) / nullif(d.mad, 0) AS score
    ) AS s
    WHERE s.score IS NOT NULL
    ORDER BY p.since, p.lot_id, s.score DESC, p.id
),

measures AS (
    SELECT
        c.since,
        c.id AS lot_id,
        c.customer_id,
        c.provider_id,
        c.amount,
        nullif(c.participants_count, 0) AS participants,
        100 * nullif(c.deal_cost / nullif(c.start_cost, 0), 0) AS cost_percent,
        CASE WHEN v.hours >= 0 THEN v.hours END AS hours,
        CASE
            WHEN c.deal_date IS NOT NULL OR v.hours IS NOT NULL
                THEN
                    coalesce(c.ends_at < c.starts_at, false)
                    OR coalesce(c.deal_date < c.ends_at, false)
                    OR coalesce(c.deal_date < c.starts_at, false)
                    OR coalesce(c.deal_date > c.last_seen_at, false)
        END AS is_impossible,
        d.sales,
        d.share_percent,
        u.score,
        u.product_name,
        u.price,
        u.median,
        c.start_cost,
        c.deal_cost,
        c.currency,
        c.starts_at,
        c.ends_at,
        c.deal_date,
        c.last_seen_at
    FROM completed AS c
    LEFT JOIN dependence AS d
        ON
            c.since = d.since
            AND c.provider_id = d.provider_id
            AND c.customer_id = d.customer_id
    LEFT JOIN unit_prices AS u ON c.since = u.since AND c.id = u.lot_id
    CROSS JOIN LATERAL (
        SELECT extract(EPOCH FROM c.ends_at - c.starts_at) / 3600 AS hours
    ) AS v
)

SELECT
    *,
    count(*) OVER (PARTITION BY since) AS lots,
    count(participants) OVER (PARTITION BY since) AS n_participants,
    count(cost_percent) OVER (PARTITION BY since) AS n_costs,
    count(hours) OVER (PARTITION BY since) AS n_hours,
    count(is_impossible) OVER (PARTITION BY since) AS n_dates,
    count(share_percent) FILTER (WHERE sales >= 5) OVER (PARTITION BY since) AS n_sales,
    count(score) OVER (PARTITION BY since) AS n_scores
FROM measures
