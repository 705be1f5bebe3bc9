-- Marks the last price of some offers as an outlier if the point before it confirms it. The price
-- was observed only once, because its point is as old as the last observation. If the point before
-- it is archived, its price follows from the stored change.
UPDATE ecommerce_price_history AS h
SET is_outlier = true
FROM unnest(%(offers)s::bigint[], %(times)s::timestamptz[], %(prices)s::numeric[])
    AS n (offer_id, last_at, price)
LEFT JOIN LATERAL (
    SELECT b.price, b.currency, b.is_outlier
    FROM ecommerce_price_history AS b
    WHERE b.offer_id = n.offer_id AND b.recorded_at < n.last_at
    ORDER BY b.recorded_at DESC
    LIMIT 1
) AS before ON true
WHERE
    h.offer_id = n.offer_id
    AND h.recorded_at = n.last_at
    -- Constant bounds let the planner prune partitions.
    AND h.recorded_at BETWEEN %(first)s AND %(last)s
    AND h.is_outlier IS NULL
    AND before.is_outlier IS NULL
    AND (before.price IS NULL OR h.currency IS NOT DISTINCT FROM before.currency)
    AND ecommerce_is_outlier(h.price, coalesce(before.price, h.price - h.price_change), n.price);
