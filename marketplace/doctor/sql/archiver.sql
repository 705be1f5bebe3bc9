SELECT
    archived_count AS archived,
    failed_count AS failed,
    last_archived_time AS archived_at,
    last_failed_time AS failed_at,
    last_failed_wal AS failed_file,
    stats_reset AS since,
    current_setting('archive_mode') AS mode
FROM pg_stat_archiver
