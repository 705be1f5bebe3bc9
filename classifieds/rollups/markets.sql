/*
description = "What the ads of the last 90 days add up to, by category (of 1 and 2 levels), city, district or month. Prices are in so'm."
indexes = [["by"]]
*/
WITH period AS (
    SELECT
        (now() AT TIME ZONE 'Asia/Tashkent')::date - 90 AS since,
        (now() AT TIME ZONE 'Asia/Tashkent')::date AS until
),

-- The whole period, and each month, cut off at the ends of the period.
windows AS MATERIALIZED (
    SELECT
        NULL AS month,
        since::timestamp AT TIME ZONE 'Asia/Tashkent' AS since,
        (until + 1)::timestamp AT TIME ZONE 'Asia/Tashkent' AS until
    FROM period
    UNION ALL
    SELECT
        to_char(m.month, 'YYYY-MM') AS month,
        greatest(m.month::date, p.since)::timestamp AT TIME ZONE 'Asia/Tashkent' AS since,
        least((m.month + interval '1 month')::date, p.until + 1)::timestamp
        AT TIME ZONE 'Asia/Tashkent' AS until
    FROM period AS p
    CROSS JOIN LATERAL generate_series(
        date_trunc('month', p.since::timestamp), p.until::timestamp, interval '1 month'
    ) AS m (month)
),

endings AS (
    SELECT
        listing_id,
        new_status,
        max(recorded_at) AS recorded_at
    FROM classifieds_listing_events
    WHERE kind = 'status'
    GROUP BY listing_id, new_status
),

seen AS (
    SELECT
        l.status,
        l.category_path,
        l.city,
        l.district_canonical,
        coalesce(l.posted_at, l.first_seen_at) AS posted_at,
        least(l.posted_at, l.first_seen_at) AS online_since,
        CASE
            WHEN l.status IN ('sold', 'expired', 'removed')
                THEN coalesce(
                    CASE WHEN l.status = 'sold' THEN l.sold_at END, e.recorded_at, l.last_seen_at
                )
        END AS ended_at,
        l.last_seen_at,
        nullif(l.price, 0) AS price,
        l.currency,
        (l.last_seen_at AT TIME ZONE 'Asia/Tashkent')::date AS day
    FROM classifieds_listings AS l
    LEFT JOIN endings AS e ON l.id = e.listing_id AND l.status = e.new_status
),

rates AS MATERIALIZED (
    SELECT
        currency,
        day,
        classifieds_rate(currency, day) AS rate
    FROM (SELECT DISTINCT currency, day FROM seen) AS days
),

placed AS MATERIALIZED (
    SELECT
        w.month,
        s.status,
        s.category_path,
        s.city,
        s.district_canonical,
        p.is_online,
        p.is_posted,
        p.is_gone,
        CASE
            WHEN p.is_online AND s.currency = 'UZS' THEN s.price
            WHEN p.is_online THEN round(s.price * r.rate, 2)
        END::float8 AS amount
    FROM seen AS s
    LEFT JOIN rates AS r ON s.currency = r.currency AND s.day = r.day
    CROSS JOIN windows AS w
    CROSS JOIN LATERAL (
        SELECT
            s.online_since < w.until
            AND coalesce(s.ended_at, s.last_seen_at) >= w.since AS is_online,
            w.since <= s.posted_at AND s.posted_at < w.until AS is_posted,
            coalesce(w.since <= s.ended_at AND s.ended_at < w.until, false) AS is_gone
    ) AS p
    WHERE p.is_online OR p.is_posted OR p.is_gone
),

keyed AS (
    SELECT
        p.*,
        g.by,
        g.depth,
        g.key
    FROM placed AS p
    CROSS JOIN LATERAL (
        VALUES
            ('category', 1, split_part(p.category_path, '/', 1)),
            (
                'category',
                2,
                array_to_string((string_to_array(p.category_path, '/'))[: 2], '/')
            ),
            ('city', NULL, p.city),
            ('district', NULL, p.city || ', ' || p.district_canonical),
            ('month', NULL, p.month)
    ) AS g (by, depth, key)
    WHERE (g.by = 'month') = (p.month IS NOT NULL)
),

markets AS (
    SELECT
        by,
        depth,
        key,
        count(*) FILTER (WHERE is_posted) AS posted,
        count(*) FILTER (WHERE is_gone) AS gone,
        count(*) FILTER (WHERE is_gone AND status = 'sold') AS sold,
        count(*) FILTER (WHERE is_online) AS online,
        count(amount) AS n_used,
        percentile_cont(ARRAY[0.25, 0.5, 0.75])
            WITHIN GROUP (ORDER BY amount)::numeric [] AS quartiles
    FROM keyed
    GROUP BY by, depth, key
)

SELECT
    p.since,
    p.until,
    m.*
FROM markets AS m
CROSS JOIN period AS p
