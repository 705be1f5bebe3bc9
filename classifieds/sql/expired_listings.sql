-- Sets up to 1000 active ads whose expiry date has passed to expired, with an event at that date,
-- and returns their number. An ad that was observed as active after its date remains active.
WITH expired AS (
    SELECT
        id,
        expires_at
    FROM classifieds_listings
    WHERE
        platform = %(platform)s
        AND status = 'active'
        AND expires_at < %(now)s
        AND expires_at > last_seen_at
    ORDER BY external_id
    LIMIT 1000
    FOR UPDATE SKIP LOCKED
),

changed AS (
    UPDATE classifieds_listings AS l
    SET status = 'expired', content_hash = NULL, updated_at = now()
    FROM expired AS e
    WHERE l.id = e.id
    RETURNING l.id, e.expires_at
),

events AS (
    INSERT INTO classifieds_listing_events (
        listing_id, kind, recorded_at, old_status, new_status
    )
    SELECT
        id,
        'status',
        expires_at,
        'active',
        'expired'
    FROM changed
    ORDER BY id
    ON CONFLICT (listing_id, recorded_at, kind) DO NOTHING
)

SELECT count(*) FROM changed;
