-- Number of price changes, increases and decreases per platform and UTC day, without outliers.
SELECT
    platform,
    CAST(recorded_at_utc AS date) AS day,
    count(*),
    count(*) FILTER (WHERE price_change > 0),
    count(*) FILTER (WHERE price_change < 0)
FROM points
WHERE recorded_at >= %(since)s AND recorded_at < %(until)s AND is_outlier IS NOT TRUE
GROUP BY 1, 2
