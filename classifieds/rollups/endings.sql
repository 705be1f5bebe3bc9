/*
description = "How many ads that were posted in the last 180 days were online for a number of days, and how many of them ended or were sold then, by category (of 1 and 2 levels), city, district or price band in so'm."
indexes = [["by"]]
*/
WITH period AS (
    SELECT (now() AT TIME ZONE 'Asia/Tashkent')::date - 180 AS since
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

posted AS (
    SELECT
        l.*,
        coalesce(l.posted_at, l.first_seen_at) AS start_at,
        coalesce(l.status IN ('sold', 'expired', 'removed'), false) AS is_over
    FROM classifieds_listings AS l
    CROSS JOIN period
    WHERE
        period.since::timestamp AT TIME ZONE 'Asia/Tashkent'
        <= coalesce(l.posted_at, l.first_seen_at)
),

seen AS (
    SELECT
        p.category_path,
        p.city,
        p.district_canonical,
        p.is_over,
        p.is_over AND p.status = 'sold' AS is_sold,
        classifieds_convert(
            nullif(p.price, 0),
            p.currency,
            'UZS',
            (p.last_seen_at AT TIME ZONE 'Asia/Tashkent')::date
        ) AS amount,
        -- Whole days from posting to the end, or to the last observation.
        greatest(
            0,
            floor(
                extract(
                    EPOCH FROM
                    CASE
                        WHEN p.is_over
                            THEN coalesce(
                                CASE WHEN p.status = 'sold' THEN p.sold_at END,
                                e.recorded_at,
                                p.last_seen_at
                            )
                        ELSE p.last_seen_at
                    END - p.start_at
                ) / 86400
            )
        )::int AS days
    FROM posted AS p
    LEFT JOIN endings AS e ON p.id = e.listing_id AND p.status = e.new_status
),

counted AS (
    SELECT
        g.by,
        g.depth,
        g.key,
        s.days,
        count(*) AS ads,
        count(*) FILTER (WHERE s.is_over) AS gone,
        count(*) FILTER (WHERE s.is_sold) AS sold
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
    GROUP BY g.by, g.depth, g.key, s.days
)

SELECT
    p.since,
    c.*
FROM counted AS c
CROSS JOIN period AS p
