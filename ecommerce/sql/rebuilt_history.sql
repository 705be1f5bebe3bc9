-- Rebuilds the history from known_observations: a point for the first state, and for each state
-- that differs from the one before it. An unknown availability or price is that of the state
-- before. Observations without a price before the first price are ignored.
--
-- An outlier was observed once, differs from the points before and after it as
-- ecommerce_is_outlier() defines, and does not follow another outlier. A manual decision
-- about a point is kept, and does not affect the other points.
--
-- Points of archived months are read and never written.
--
-- Writes points that are new or changed. Returns the number of new points, the keys of points to
-- delete (two arrays), and the offers whose current state changes, as a JSON array.
WITH observations AS (
    SELECT
        *,
        min(recorded_at) FILTER (WHERE price IS NOT NULL) OVER (PARTITION BY offer_id) AS first_at
    FROM known_observations
),

series AS (
    SELECT DISTINCT ON (offer_id, recorded_at)
        offer_id,
        recorded_at,
        rank,
        price AS observed_price,
        old_price AS observed_old_price,
        currency AS observed_currency,
        is_available AS observed_available,
        available_amount
    FROM observations
    WHERE price IS NOT NULL OR recorded_at > first_at
    ORDER BY offer_id, recorded_at, rank, position
),

counted AS (
    SELECT
        *,
        count(observed_available) OVER by_time AS availability_count,
        count(available_amount) OVER by_time AS amount_count,
        count(observed_price) OVER by_time AS price_count
    FROM series
    WINDOW by_time AS (PARTITION BY offer_id ORDER BY recorded_at)
),

carried AS (
    SELECT
        *,
        first_value(observed_available) OVER (
            PARTITION BY offer_id, availability_count
            ORDER BY recorded_at
        ) AS is_available,
        -- An availability without an amount makes the amount unknown.
        first_value(available_amount) OVER (
            PARTITION BY offer_id, availability_count, amount_count
            ORDER BY recorded_at
        ) AS amount_in_stock,
        first_value(observed_price) OVER by_price AS price,
        first_value(observed_old_price) OVER by_price AS old_price,
        first_value(observed_currency) OVER by_price AS currency
    FROM counted
    WINDOW by_price AS (PARTITION BY offer_id, price_count ORDER BY recorded_at)
),

paired AS (
    SELECT
        *,
        row_number() OVER by_time = 1
        OR (price, old_price, currency, is_available)
        IS DISTINCT FROM (
            lag(price) OVER by_time,
            lag(old_price) OVER by_time,
            lag(currency) OVER by_time,
            lag(is_available) OVER by_time
        ) AS is_change
    FROM carried
    WINDOW by_time AS (PARTITION BY offer_id ORDER BY recorded_at)
),

spans AS (
    SELECT
        *,
        count(*) FILTER (WHERE is_change) OVER (
            PARTITION BY offer_id
            ORDER BY recorded_at
        ) AS span
    FROM paired
),

compared AS MATERIALIZED (
    SELECT
        s.*,
        count(*) OVER (PARTITION BY s.offer_id, s.span) AS seen_count,
        h.offer_id IS NOT NULL AS is_stored,
        ecommerce_is_archived(s.recorded_at) AS is_closed,
        -- The verdict on a point without payloads is final, unless the point was the last one.
        s.rank > 0 AND NOT coalesce(h.is_last, true) AS is_settled,
        h.is_outlier AS stored_verdict,
        (
            h.price, h.old_price, h.currency, h.is_available, h.available_amount,
            h.price_change, h.price_change_percent, h.is_outlier
        ) AS stored_values
    FROM spans AS s
    LEFT JOIN known_observations AS h
        ON h.rank = 1 AND s.offer_id = h.offer_id AND s.recorded_at = h.recorded_at
),

points AS (
    SELECT
        *,
        lag(price) OVER by_time AS last_price,
        lead(price) OVER by_time AS next_price,
        currency IS NOT DISTINCT FROM lag(currency) OVER by_time AS is_comparable,
        currency IS NOT DISTINCT FROM lead(currency) OVER by_time AS is_comparable_next
    FROM compared
    WHERE is_change
    WINDOW by_time AS (PARTITION BY offer_id ORDER BY recorded_at)
),

suspected AS (
    SELECT
        *,
        seen_count = 1
        AND is_comparable
        AND is_comparable_next
        AND ecommerce_is_outlier(price, last_price, next_price)
        AND (NOT is_settled OR stored_verdict IS NOT NULL) AS is_suspect
    FROM points
),

-- In a row of suspects, every second one is a price that was returned to.
started AS (
    SELECT
        *,
        is_suspect
        AND (is_settled OR NOT coalesce(lag(is_suspect) OVER by_time, false)) AS is_streak_start
    FROM suspected
    WINDOW by_time AS (PARTITION BY offer_id ORDER BY recorded_at)
),

grouped AS (
    SELECT
        *,
        count(*) FILTER (WHERE is_streak_start) OVER (
            PARTITION BY offer_id
            ORDER BY recorded_at
        ) AS streak
    FROM started
),

judged AS (
    SELECT
        *,
        CASE
            WHEN stored_verdict IS FALSE THEN false
            WHEN is_suspect AND row_number() OVER (
                PARTITION BY offer_id, streak
                ORDER BY recorded_at
            ) %% 2 = 1 THEN true
        END AS is_outlier
    FROM grouped
),

final AS MATERIALIZED (
    SELECT
        *,
        CASE WHEN is_comparable THEN price - last_price END AS price_change,
        CASE
            WHEN is_comparable THEN round((price - last_price) * 100 / nullif(last_price, 0), 2)
        END AS price_change_percent
    FROM judged
),

written AS (
    INSERT INTO ecommerce_price_history AS t (
        offer_id, recorded_at, price, old_price, currency, is_available, available_amount,
        price_change, price_change_percent, is_outlier
    )
    SELECT
        offer_id, recorded_at, price, old_price, currency, is_available, available_amount,
        price_change, price_change_percent, is_outlier
    FROM final
    WHERE
        NOT is_closed
        AND (
            NOT is_stored
            OR stored_values IS DISTINCT FROM (
                price, old_price, currency, is_available, available_amount,
                price_change, price_change_percent, is_outlier
            )
        )
    ORDER BY offer_id, recorded_at
    -- Not an UPDATE, which would join with all partitions.
    ON CONFLICT (offer_id, recorded_at) DO UPDATE
    SET
        price = excluded.price,
        old_price = excluded.old_price,
        currency = excluded.currency,
        is_available = excluded.is_available,
        available_amount = excluded.available_amount,
        price_change = excluded.price_change,
        price_change_percent = excluded.price_change_percent,
        is_outlier = excluded.is_outlier
),

removed AS (
    SELECT offer_id, recorded_at
    FROM compared
    WHERE is_stored AND NOT is_change AND NOT is_closed
),

newest AS (
    SELECT DISTINCT ON (offer_id)
        offer_id,
        recorded_at,
        observed_price IS NULL AS is_unpriced,
        price,
        old_price,
        currency,
        is_available,
        amount_in_stock AS available_amount
    FROM compared
    ORDER BY offer_id, recorded_at DESC
),

-- If the newest observation lacks values, they come from an earlier one, which may be a late
-- arrival. An observation of the product may show that an offer is out of stock before the offer
-- is known.
current AS (
    SELECT n.*, n.is_unpriced OR n.recorded_at > o.recorded_at AS is_newer
    FROM newest AS n
    INNER JOIN known_observations AS o ON o.rank = 3 AND n.offer_id = o.offer_id
    WHERE
        n.recorded_at > o.recorded_at
        OR n.is_available IS DISTINCT FROM o.is_available
        OR (
            n.is_unpriced
            AND (n.price, n.old_price, n.currency, n.available_amount)
            IS DISTINCT FROM (o.price, o.old_price, o.currency, o.available_amount)
        )
)

SELECT
    (SELECT count(*) FROM final WHERE NOT is_stored AND NOT is_closed),
    (SELECT array_agg(offer_id ORDER BY recorded_at, offer_id) FROM removed),
    (SELECT array_agg(recorded_at ORDER BY recorded_at, offer_id) FROM removed),
    (SELECT jsonb_agg(to_jsonb(current) ORDER BY offer_id)::text FROM current);
