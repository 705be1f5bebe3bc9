-- Inserts an audit event for each staged lot that is new or differs from its state before this
-- batch. Lifecycle columns are not compared, because each load changes them. The payload has a
-- column of its own.
WITH before_and_after AS (
    SELECT
        l.id,
        s.last_seen_at,
        s.raw_data,
        p.id IS NULL AS is_new,
        p.raw_data IS DISTINCT FROM l.raw_data AS has_new_payload,
        to_jsonb(p) AS old,
        to_jsonb(l) - ARRAY[
            'id', 'first_seen_at', 'last_seen_at', 'updated_at', 'search_vector', 'raw_data',
            'content_hash'
        ] AS new
    FROM stage_procurement_lots AS s
    INNER JOIN procurement_lots AS l
        ON l.platform = %(platform)s AND s.external_id = l.external_id
    LEFT JOIN prior_procurement_lots AS p ON l.id = p.id
    WHERE p.id IS NULL OR l.updated_at IS DISTINCT FROM p.updated_at
),

compared AS (
    SELECT
        b.*,
        (
            SELECT jsonb_object_agg(key, jsonb_build_array(b.old -> key, value) ORDER BY key)
            FROM jsonb_each(b.new)
            WHERE b.old -> key IS DISTINCT FROM value
        ) AS changes
    FROM before_and_after AS b
)

INSERT INTO procurement_lot_events (
    lot_id, kind, changes, payload, recorded_at, created_at
)
SELECT
    id,
    CASE WHEN is_new THEN 'created' ELSE 'changed' END,
    CASE WHEN is_new THEN '{}' ELSE coalesce(changes, '{}') END,
    raw_data,
    last_seen_at,
    now()
FROM compared
WHERE is_new OR has_new_payload OR changes IS NOT NULL
ORDER BY id;
