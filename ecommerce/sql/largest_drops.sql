-- The largest decreases of prices in percent, without outliers.
SELECT
    platform,
    offer_id,
    recorded_at_utc,
    price,
    currency,
    price_change_percent
FROM points
WHERE
    recorded_at >= %(since)s
    AND recorded_at < %(until)s
    AND is_outlier IS NOT TRUE
    AND price_change_percent < 0
ORDER BY price_change_percent, 3, 2
LIMIT %(limit)s
