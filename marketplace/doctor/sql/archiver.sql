/*
title = "WAL archiving"

[archive-failing]
subject = "{failed_file}"
what = "WAL archiving has failed, last at {failed_at:time}; last success: {archived_at:time}."
why = "A recovery ends at the last archived file, and WAL accumulates until the disk is full."
fix = "SHOW archive_command;  -- run it by hand, and check the server's log"
evidence = ["failed", "archived"]
is_of_server = true
is_of_statistics = true
*/
SELECT
    'critical' AS severity,
    archived_count AS archived,
    failed_count AS failed,
    last_archived_time AS archived_at,
    last_failed_time AS failed_at,
    last_failed_wal AS failed_file,
    stats_reset AS since
FROM pg_stat_archiver
WHERE
    current_setting('archive_mode') <> 'off'
    AND last_failed_time IS NOT NULL
    AND coalesce(last_failed_time > last_archived_time, TRUE)
