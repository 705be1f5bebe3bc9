/*
description = "An available offer with an advertised discount of 2 % or more whose old price was never charged, or was charged for at most 30 days after a lower price."
indexes = [["discount_percent", "offer_id"], ["seller_id"]]
*/
SELECT
    o.id AS offer_id,
    o.platform,
    o.product_id,
    o.seller_id,
    p.category_id,
    o.scraped_at,
    o.price,
    o.old_price,
    o.currency,
    o.discount_percent,
    e.began_at,
    e.highest_price,
    e.charged_at,
    e.days_at_old_price,
    e.lowest_before,
    e.raised_at,
    e.raised_from,
    extract(
        day FROM o.scraped_at - greatest(e.first_at, e.began_at - interval '90 days')
    )::integer AS days_known
FROM ecommerce_offers AS o
INNER JOIN ecommerce_products AS p ON o.product_id = p.id
CROSS JOIN LATERAL (
    -- Each price in the offer's currency, and the time at which the next price took its place.
    WITH prices AS (
        SELECT *
        FROM (
            SELECT
                h.price,
                h.currency,
                (h.old_price > h.price AND h.currency IS NOT DISTINCT FROM o.currency) IS TRUE
                    AS is_discounted,
                h.price >= 0.99 * o.old_price AS is_old_price,
                h.recorded_at AS begins,
                lead(h.recorded_at, 1, o.scraped_at) OVER in_time AS ends,
                CASE
                    WHEN lag(h.currency) OVER in_time IS NOT DISTINCT FROM o.currency
                    THEN lag(h.price) OVER in_time
                END AS price_before
            FROM ecommerce_price_history AS h
            WHERE h.offer_id = o.id AND h.is_outlier IS NOT TRUE
            WINDOW in_time AS (ORDER BY h.recorded_at)
        ) AS p
    ),

    -- The discount began after the last price without one.
    discount AS (
        SELECT min(p.begins) AS began_at
        FROM prices AS p
        WHERE
            p.begins > coalesce(
                (SELECT max(n.begins) FROM prices AS n WHERE NOT n.is_discounted), '-infinity'
            )
    ),

    evidence AS (
        SELECT
            d.began_at,
            min(p.begins) AS first_at,
            max(p.price) FILTER (WHERE p.ends > d.began_at - interval '90 days')
                AS highest_price,
            min(p.begins) FILTER (
                WHERE p.is_old_price AND p.ends > d.began_at - interval '90 days'
            ) AS charged_at,
            coalesce(
                sum(
                    extract(
                        epoch FROM p.ends
                        - greatest(p.begins, d.began_at - interval '90 days')
                    )
                ) FILTER (
                    WHERE p.is_old_price AND p.ends > d.began_at - interval '90 days'
                ),
                0
            ) / 86400 AS days_at_old_price,
            min(p.price) FILTER (
                WHERE p.begins < d.began_at AND p.ends > d.began_at - interval '30 days'
            ) AS lowest_before
        FROM discount AS d
        CROSS JOIN prices AS p
        WHERE d.began_at IS NOT NULL AND p.currency IS NOT DISTINCT FROM o.currency
        GROUP BY d.began_at
    )

    SELECT
        e.began_at,
        e.first_at,
        e.highest_price,
        e.charged_at,
        e.days_at_old_price,
        CASE WHEN e.first_at <= e.began_at - interval '30 days' THEN e.lowest_before END
            AS lowest_before,
        p.begins AS raised_at,
        p.price_before AS raised_from
    FROM evidence AS e
    LEFT JOIN prices AS p
        ON
            e.charged_at = p.begins
            AND e.charged_at > e.began_at - interval '90 days'
            AND p.price_before <= 0.95 * o.old_price
) AS e
WHERE
    o.discount_percent >= 2
    AND o.is_available IS NOT FALSE
    AND (e.charged_at IS NULL OR (e.raised_at IS NOT NULL AND e.days_at_old_price <= 30))
