-- A crash resets all statistics, but only those of the server then have a reset time. A manual
-- reset concerns one view only: the oldest reset time is that of the crash, or of the creation.
SELECT
    current_database() AS name,
    (SELECT oid FROM pg_database WHERE datname = current_database())::bigint AS database_oid,
    current_setting('server_version') AS version,
    current_setting('server_version_num')::integer AS version_number,
    (SELECT system_identifier FROM pg_control_system())::text
    || '/' || extract(EPOCH FROM pg_postmaster_start_time())::text AS server,
    pg_is_in_recovery() AS is_standby,
    current_setting('is_superuser') = 'on' OR pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
    current_user AS role,
    greatest(
        (SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()),
        least(
            (SELECT stats_reset FROM pg_stat_bgwriter),
            (SELECT stats_reset FROM pg_stat_wal),
            (SELECT stats_reset FROM pg_stat_archiver)
        )
    ) AS since
