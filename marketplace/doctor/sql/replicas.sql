SELECT
    application_name AS name,
    state,
    extract(EPOCH FROM replay_lag)::double precision AS seconds,
    CASE
        WHEN NOT pg_is_in_recovery()
            THEN pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)
    END::bigint AS bytes
FROM pg_stat_replication
WHERE state <> 'backup'
