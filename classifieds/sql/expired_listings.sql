-- Ends active ads whose own date has passed, some at a time, with an event at that date; returns how
-- many. An ad that was observed as active after its date is still what the platform says it is.
WITH ended AS (
    SELECT
        id,
        expires_at
    FROM classifieds_listings
    WHERE
        platform = %(platform)s
        AND status = 'active'
        AND expires_at < %(moment)s
        AND expires_at > last_seen_at
    ORDER BY external_id
    LIMIT 1000
    FOR UPDATE SKIP LOCKED
),

changed AS (
    UPDATE classifieds_listings AS l
    SET status = 'expired', content_hash = NULL, updated_at = now()
    FROM ended AS e
    WHERE l.id = e.id
    RETURNING l.id, e.expires_at
),

told AS (
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
