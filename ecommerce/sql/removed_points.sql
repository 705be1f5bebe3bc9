-- Deletes points of the history by their keys.
DELETE FROM ecommerce_price_history AS h
USING unnest(%(offers)s::bigint[], %(times)s::timestamptz[]) AS n (offer_id, recorded_at)
WHERE
    h.offer_id = n.offer_id
    AND h.recorded_at = n.recorded_at
    -- Constant bounds let the planner prune partitions.
    AND h.recorded_at BETWEEN %(first)s AND %(last)s;
