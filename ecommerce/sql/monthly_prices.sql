-- Points per platform, UTC month and currency. Outliers count only as outliers.
SELECT
    platform,
    CAST(date_trunc('month', recorded_at_utc) AS date) AS month,
    currency,
    count(*) FILTER (WHERE is_outlier IS NOT TRUE),
    count(*) FILTER (WHERE is_outlier IS TRUE),
    count(*) FILTER (WHERE is_available IS FALSE),
    min(price) FILTER (WHERE is_outlier IS NOT TRUE),
    max(price) FILTER (WHERE is_outlier IS NOT TRUE),
    sum(price) FILTER (WHERE is_outlier IS NOT TRUE)
FROM points
WHERE recorded_at >= %(since)s AND recorded_at < %(until)s
GROUP BY 1, 2, 3
