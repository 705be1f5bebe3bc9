/*
description = "Ads that were seen in the last 90 days and their price cuts within that time, by category (of 1 and 2 levels), city, district or price band in so'm."
indexes = [["by"]]
*/
WITH period AS (
    SELECT
        (now() AT TIME ZONE 'Asia/Tashkent')::date - 90 AS since,
        ((now() AT TIME ZONE 'Asia/Tashkent')::date - 90)::timestamp
        AT TIME ZONE 'Asia/Tashkent' AS begins
),

seen AS MATERIALIZED (
    SELECT
        l.id,
        l.category_path,
        l.city,
        l.district_canonical,
        coalesce(l.posted_at, l.first_seen_at) AS posted_at,
        classifieds_convert(
            nullif(l.price, 0),
            l.currency,
            'UZS',
            (l.last_seen_at AT TIME ZONE 'Asia/Tashkent')::date
        ) AS amount,
        l.price > 0 AS has_price
    FROM classifieds_listings AS l
    CROSS JOIN period
    WHERE l.last_seen_at >= period.begins
),

cuts AS MATERIALIZED (
    SELECT
        e.listing_id,
        e.recorded_at,
        100 * (e.old_price - e.new_price) / e.old_price AS cut_percent
    FROM period
    INNER JOIN classifieds_listing_events AS e ON period.begins <= e.recorded_at
    INNER JOIN seen AS s ON e.listing_id = s.id
    WHERE
        e.kind = 'price'
        AND e.new_price > 0
        AND e.new_price < e.old_price
        AND e.new_currency = e.old_currency
        AND s.has_price
),

keyed AS MATERIALIZED (
    SELECT
        g.by,
        g.depth,
        g.key,
        s.id,
        s.has_price,
        s.posted_at
    FROM seen AS s
    CROSS JOIN LATERAL (
        VALUES
            ('category', 1, split_part(s.category_path, '/', 1)),
            (
                'category',
                2,
                array_to_string((string_to_array(s.category_path, '/'))[: 2], '/')
            ),
            ('city', NULL, s.city),
            ('district', NULL, s.city || ', ' || s.district_canonical),
            ('price_band', NULL, classifieds_price_band(s.amount))
    ) AS g (by, depth, key)
),

ads AS (
    SELECT
        k.by,
        k.depth,
        k.key,
        count(*) AS ads,
        count(*) FILTER (WHERE k.has_price) AS n_used,
        count(f.first_at) AS cut_ads,
        -- NULL if the ad was posted anew after the cut.
        percentile_cont(0.5) WITHIN GROUP (
            ORDER BY
                CASE
                    WHEN f.first_at >= k.posted_at
                        THEN extract(EPOCH FROM f.first_at - k.posted_at) / 86400
                END
        ) AS median_days
    FROM keyed AS k
    LEFT JOIN (
        SELECT
            listing_id,
            min(recorded_at) AS first_at
        FROM cuts
        GROUP BY listing_id
    ) AS f ON k.id = f.listing_id
    GROUP BY k.by, k.depth, k.key
),

cuts_by_key AS (
    SELECT
        k.by,
        k.depth,
        k.key,
        count(*) AS cuts,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY c.cut_percent) AS median_cut_percent,
        max(c.cut_percent) AS greatest_cut_percent
    FROM cuts AS c
    INNER JOIN keyed AS k ON c.listing_id = k.id
    GROUP BY k.by, k.depth, k.key
)

SELECT
    p.since,
    a.*,
    coalesce(c.cuts, 0) AS cuts,
    c.median_cut_percent,
    c.greatest_cut_percent
FROM ads AS a
CROSS JOIN period AS p
LEFT JOIN cuts_by_key AS c
    ON
        a.by = c.by
        AND a.depth IS NOT DISTINCT FROM c.depth
        AND a.key IS NOT DISTINCT FROM c.key
