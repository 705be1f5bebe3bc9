-- Inserts events for staged listings that are new or differ from their state before this batch. An
-- observation older than the stored one does not create an event.
WITH changed AS (
    SELECT
        l.id,
        l.last_seen_at AS recorded_at,
        p.id IS NULL AS is_new,
        p.price AS old_price,
        l.price AS new_price,
        p.currency AS old_currency,
        l.currency AS new_currency,
        p.status AS old_status,
        l.status AS new_status
    FROM stage_classifieds_listings AS s
    INNER JOIN classifieds_listings AS l
        ON l.platform = %(platform)s AND s.external_id = l.external_id
    LEFT JOIN prior_classifieds_listings AS p ON l.id = p.id
    WHERE p.id IS NULL OR s.last_seen_at >= p.last_seen_at
)

INSERT INTO classifieds_listing_events (
    listing_id, kind, recorded_at,
    old_price, new_price, old_currency, new_currency, old_status, new_status
)
SELECT
    id,
    kind,
    recorded_at,
    CASE WHEN kind <> 'status' THEN old_price END,
    CASE WHEN kind <> 'status' THEN new_price END,
    CASE WHEN kind <> 'status' THEN old_currency END,
    CASE WHEN kind <> 'status' THEN new_currency END,
    CASE WHEN kind <> 'price' THEN old_status END,
    CASE WHEN kind <> 'price' THEN new_status END
FROM changed
CROSS JOIN LATERAL (VALUES ('posted'), ('price'), ('status')) AS kinds (kind)
WHERE
    (kind = 'posted' AND is_new)
    OR (
        kind = 'price'
        AND NOT is_new
        AND (old_price, old_currency) IS DISTINCT FROM (new_price, new_currency)
    )
    OR (kind = 'status' AND NOT is_new AND old_status IS DISTINCT FROM new_status)
ORDER BY id
ON CONFLICT (listing_id, recorded_at, kind) DO NOTHING;
