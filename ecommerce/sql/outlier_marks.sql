-- Marks the last price of some offers as a outlier, where the point before it says so, too. That it
-- lasted one observation is certain: its point is as old as the last observation. Where the point
-- before it is archived, the change from it tells its price.
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
    -- Constants leave the planner the months that matter.
    AND h.recorded_at BETWEEN %(first)s AND %(last)s
    AND h.is_outlier IS NULL
    AND before.is_outlier IS NULL
    AND (before.price IS NULL OR h.currency IS NOT DISTINCT FROM before.currency)
    AND ecommerce_is_outlier(h.price, coalesce(before.price, h.price - h.price_change), n.price);
