SELECT
    slot_name AS name,
    slot_type AS kind,
    database,
    active,
    wal_status AS status,
    coalesce(
        pg_wal_lsn_diff(
            CASE
                WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn()
            END,
            restart_lsn
        ), 0
    )::bigint AS retained
FROM pg_replication_slots
WHERE NOT temporary
