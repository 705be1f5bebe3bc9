-- The points of some offers in a period, from the months that are in PostgreSQL.
SELECT
    offer_id, recorded_at, price, old_price, currency, is_available, available_amount,
    price_change, price_change_percent, is_outlier
FROM ecommerce_price_history
WHERE
    offer_id = ANY(%(offers)s)
    AND recorded_at >= %(since)s
    AND recorded_at < %(until)s
ORDER BY offer_id, recorded_at;
