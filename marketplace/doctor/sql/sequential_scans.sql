/*
title = "sequential scans of large tables"

[table-sequential-scans]
subject = "{path}"
what = """\
    The table of {rows:,} rows ({bytes:size}) had {scans:,} sequential scans and {index_scans:,} \
    index scans."""
why = "A sequential scan takes time and evicts other data from memory. An index may be missing."
fix = "python manage.py db_slow --database {alias} --search {name}  # then EXPLAIN the statements"
evidence = ["scans", "rows_read", "bytes"]
is_of_statistics = true
*/
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
    n_live_tup >= 10000
    AND pg_relation_size(relid) >= 8 * 1024 * 1024
    AND seq_scan >= 100
    AND seq_scan > coalesce(idx_scan, 0)
    -- Most of the scans read the whole table.
    AND seq_tup_read >= seq_scan * n_live_tup / 2
