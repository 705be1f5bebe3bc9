-- The lowest and highest prices of some offers by currency, outliers left out.
SELECT
    offer_id,
    currency,
    count(*),
    min(price),
    max(price),
    sum(price),
    min(moment),
    max(moment)
FROM points
WHERE
    offer_id = ANY(CAST(%(offers)s AS bigint []))
    AND recorded_at >= %(since)s
    AND recorded_at < %(until)s
    AND is_outlier IS NOT TRUE
GROUP BY 1, 2
