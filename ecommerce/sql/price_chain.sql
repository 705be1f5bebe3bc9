-- price_series in the order of time, each state beside the one before it, as price_chain.
-- An availability that nobody told is that of the state before; it is no change to learn it.
CREATE TEMPORARY TABLE price_chain ON COMMIT DROP AS
WITH counted AS (
    SELECT *, count(is_available) OVER by_time AS told
    FROM price_series
    WINDOW by_time AS (PARTITION BY offer_id ORDER BY recorded_at)
),

carried AS (
    SELECT *, max(is_available::int) OVER (PARTITION BY offer_id, told) AS available
    FROM counted
),

paired AS (
    SELECT
        *,
        row_number() OVER by_time AS position,
        lag(price) OVER by_time AS last_price,
        lag(old_price) OVER by_time AS last_old_price,
        lag(currency) OVER by_time AS last_currency,
        lag(available) OVER by_time AS last_available
    FROM carried
    WINDOW by_time AS (PARTITION BY offer_id ORDER BY recorded_at)
)

SELECT
    origin,
    offer_id,
    recorded_at,
    price,
    old_price,
    currency,
    available::boolean AS is_available,
    available_amount,
    position = 1
    OR (price, old_price, currency) IS DISTINCT FROM (last_price, last_old_price, last_currency)
    OR coalesce(available <> last_available, false) AS is_change,
    CASE
        WHEN currency IS NOT DISTINCT FROM last_currency THEN price - last_price
    END AS price_change,
    CASE
        WHEN currency IS NOT DISTINCT FROM last_currency AND last_price > 0
            THEN round((price - last_price) * 100 / last_price, 2)
    END AS price_change_percent
FROM paired;
