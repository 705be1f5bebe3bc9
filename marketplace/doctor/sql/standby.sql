SELECT
    pg_is_in_recovery() AS is_standby,
    extract(EPOCH FROM now() - pg_last_xact_replay_timestamp())::double precision AS seconds,
    pg_last_wal_receive_lsn() IS DISTINCT FROM pg_last_wal_replay_lsn() AS has_more
