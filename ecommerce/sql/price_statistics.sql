-- The row of ecommerce_price_statistics for one offer, including its archived points, which are
-- passed as arrays.
SELECT
    o.currency,
    s.point_count,
    s.outlier_count,
    s.min_price,
    s.max_price,
    s.avg_price,
    s.lowest_at,
    s.first_at,
    s.last_at
FROM ecommerce_offers AS o
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE NOT p.is_left_out) AS point_count,
        count(*) FILTER (WHERE p.is_left_out) AS outlier_count,
        min(p.price) FILTER (WHERE NOT p.is_left_out) AS min_price,
        max(p.price) FILTER (WHERE NOT p.is_left_out) AS max_price,
        round(
            coalesce(
                sum(p.price * p.seconds) FILTER (WHERE NOT p.is_left_out)
                / nullif(sum(p.seconds) FILTER (WHERE NOT p.is_left_out), 0),
                avg(p.price) FILTER (WHERE NOT p.is_left_out)
            ),
            2
        ) AS avg_price,
        (
            array_agg(p.recorded_at ORDER BY p.price, p.recorded_at)
            FILTER (WHERE NOT p.is_left_out)
        )[1] AS lowest_at,
        min(p.recorded_at) FILTER (WHERE NOT p.is_left_out) AS first_at,
        max(p.recorded_at) FILTER (WHERE NOT p.is_left_out) AS last_at
    FROM (
        SELECT
            h.price,
            h.currency,
            h.recorded_at,
            h.is_outlier IS TRUE AS is_left_out,
            extract(
                epoch FROM coalesce(
                    lead(h.recorded_at) OVER (
                        PARTITION BY h.is_outlier IS TRUE
                        ORDER BY h.recorded_at
                    ),
                    greatest(o.scraped_at, h.recorded_at)
                ) - h.recorded_at
            ) AS seconds
        FROM (
            SELECT price, currency, recorded_at, is_outlier
            FROM ecommerce_price_history
            WHERE offer_id = o.id
            UNION ALL
            SELECT price, currency, recorded_at, is_outlier
            FROM unnest(
                %(prices)s::numeric[],
                %(currencies)s::varchar[],
                %(times)s::timestamptz[],
                %(outliers)s::boolean[]
            ) AS archived (price, currency, recorded_at, is_outlier)
        ) AS h
    ) AS p
    WHERE p.currency IS NOT DISTINCT FROM o.currency
) AS s
WHERE o.id = %(offer_id)s;
