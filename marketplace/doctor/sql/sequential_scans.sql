SELECT
    format('%%I.%%I', schemaname, relname) AS path,
    relname AS name,
    n_live_tup AS rows,
    pg_relation_size(relid) AS bytes,
    seq_scan AS scans,
    coalesce(idx_scan, 0) AS index_scans,
    seq_tup_read AS rows_read
FROM pg_stat_user_tables
WHERE
    n_live_tup >= %(small)s
    AND pg_relation_size(relid) >= 8 * 1024 * 1024
    AND seq_scan >= 100
    AND seq_scan > coalesce(idx_scan, 0)
    -- Most of the scans read the whole table.
    AND seq_tup_read >= seq_scan * n_live_tup / 2
ORDER BY seq_tup_read DESC
