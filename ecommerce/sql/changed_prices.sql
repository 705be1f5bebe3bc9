-- The points of what was observed in the order of time: the first of each new offer, and one for
-- each offer whose state is another than before this batch. Offers of which the batch also tells
-- prices of the past have their points by past_prices and rebuilt_history.
--
-- Returns how many points there are; whether prices of the past are staged at all; and where the
-- last price looks wrong by the new one alone: offer, time of that last price, new price.
WITH news AS MATERIALIZED (
    SELECT
        -- A subquery, not a join: a staging table has no statistics, and this never scans.
        coalesce(p.id, (
            SELECT o.id
            FROM ecommerce_offers AS o
            WHERE o.platform = %(platform)s AND o.external_id = s.external_id
        )) AS offer_id,
        s.scraped_at AS recorded_at,
        s.price,
        s.old_price,
        s.currency,
        coalesce(s.is_available, p.is_available) AS is_available,
        s.stock_quantity,
        p.price AS last_price,
        p.scraped_at AS last_at,
        s.currency IS NOT DISTINCT FROM p.currency AS is_comparable
    FROM stage_ecommerce_offers AS s
    LEFT JOIN prior_ecommerce_offers AS p ON s.external_id = p.external_id
    WHERE
        (
            p.id IS NULL
            OR (
                s.scraped_at > p.scraped_at
                AND (s.price, s.old_price, s.currency, coalesce(s.is_available, p.is_available))
                IS DISTINCT FROM (p.price, p.old_price, p.currency, p.is_available)
            )
        )
        AND NOT EXISTS (
            SELECT
            FROM stage_price_points AS e
            WHERE
                e.offer_external_id = s.external_id
                AND e.recorded_at < s.scraped_at
                AND (p.id IS NULL OR e.recorded_at > p.scraped_at)
                AND NOT ecommerce_is_archived(e.recorded_at)
        )
),

come AS (
    INSERT INTO ecommerce_price_history (
        offer_id, price, old_price, currency, is_available, available_amount,
        price_change, price_change_percent, recorded_at
    )
    SELECT
        offer_id,
        price,
        old_price,
        currency,
        is_available,
        stock_quantity,
        CASE WHEN is_comparable THEN price - last_price END,
        CASE
            WHEN is_comparable THEN round((price - last_price) * 100 / nullif(last_price, 0), 2)
        END,
        recorded_at
    FROM news
),

doubts AS (
    SELECT offer_id, last_at, price
    FROM news
    WHERE is_comparable AND price > 0 AND (last_price * 2 <= price OR last_price >= price * 9)
)

SELECT
    (SELECT count(*) FROM news),
    EXISTS (SELECT FROM stage_price_points),
    (SELECT array_agg(offer_id) FROM doubts),
    (SELECT array_agg(last_at) FROM doubts),
    (SELECT array_agg(price) FROM doubts);
