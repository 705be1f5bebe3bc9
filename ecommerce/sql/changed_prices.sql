-- Inserts the points of observations that arrive in order: the first point of each new offer, and
-- one for each offer whose state changed in this batch. Offers with past prices in the batch are
-- left to past_prices.sql and rebuilt_history.sql.
--
-- Returns the number of points, whether past prices are staged, and the offers whose last price may
-- be an outlier given the new one, as three arrays: offer, time of the last price, new price.
WITH changed AS MATERIALIZED (
    SELECT
        o.id AS offer_id,
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
    -- Each staged offer is stored by now. The planner expects few of them, and cannot choose nested
    -- loops for a full join.
    FULL JOIN (
        SELECT id, external_id
        FROM ecommerce_offers
        WHERE
            platform = %(platform)s
            AND external_id = ANY(ARRAY(SELECT external_id FROM stage_ecommerce_offers))
    ) AS o ON s.external_id = o.external_id
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

inserted AS (
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
    FROM changed
),

suspects AS (
    SELECT offer_id, last_at, price
    FROM changed
    WHERE is_comparable AND price > 0 AND (last_price * 2 <= price OR last_price >= price * 9)
)

SELECT
    (SELECT count(*) FROM changed),
    EXISTS (SELECT FROM stage_price_points),
    (SELECT array_agg(offer_id) FROM suspects),
    (SELECT array_agg(last_at) FROM suspects),
    (SELECT array_agg(price) FROM suspects);
