-- Lowest and highest prices of some offers per currency, without outliers.
SELECT
    offer_id,
    currency,
    count(*),
    min(price),
    max(price),
    sum(price),
    min(recorded_at_utc),
    max(recorded_at_utc)
FROM points
WHERE
    offer_id = ANY(CAST(%(offers)s AS bigint []))
    AND recorded_at >= %(since)s
    AND recorded_at < %(until)s
    AND is_outlier IS NOT TRUE
GROUP BY 1, 2
