/*
title = "vacuum and analyze"

[table-dead-rows]
subject = "{path}"
what = """\
    {dead:,} dead rows ({share:.0%}) have not been vacuumed; autovacuum's threshold is \
    {limit:,}. Last vacuum: {vacuumed:ago}."""
why = """\
    Dead rows take space and slow down scans. A long transaction or a replication slot may keep \
    vacuum from removing them, or autovacuum is off."""
fix = "VACUUM (ANALYZE) {path};"
evidence = ["dead", "live", "limit"]
is_of_statistics = true

[table-vacuum-late]
subject = "{path}"
what = "{inserted:,} rows were added since the last vacuum ({vacuumed:ago})."
why = """\
    Index-only scans must read the table for each of these rows, and a later vacuum to prevent \
    wraparound has to do all the work at once."""
fix = "VACUUM (ANALYZE) {path};"
evidence = ["inserted", "limit"]
is_of_statistics = true

[table-never-analyzed]
subject = "{path}"
what = "The planner has no statistics of the table (about {rows:,} rows)."
why = "The planner guesses the number of matching rows, and may choose a much slower plan."
fix = "ANALYZE {path};"
evidence = ["rows", "changed"]
is_of_statistics = true

[table-analyze-late]
subject = "{path}"
what = "{changed:,} rows changed since the last analyze ({analyzed:ago})."
why = "The planner guesses the number of matching rows, and may choose a much slower plan."
fix = "ANALYZE {path};"
evidence = ["rows", "changed"]
is_of_statistics = true

[table-autovacuum-off]
subject = "{path}"
what = "Autovacuum is disabled for the table."
why = "Dead rows accumulate and statistics become outdated until a manual vacuum."
fix = "ALTER TABLE {path} RESET (autovacuum_enabled);"
*/
-- Autovacuum starts within minutes of its threshold: at twice the threshold, it does not keep up.
-- Tables with fewer than 10,000 rows need no statistics, and their dead rows are harmless. A table
-- without a vacuum or analyze may be as old as the statistics.
WITH tables AS (
{maintenance}
),

ages AS (
    SELECT
        tables.*,
        %(now)s - coalesce(vacuumed_at, %(since)s) AS since_vacuum,
        %(now)s - coalesce(analyzed_at, %(since)s) AS since_analyze
    FROM tables
)

SELECT
    found.code,
    found.severity,
    ages.path,
    ages.rows,
    ages.live,
    ages.dead,
    ages.dead::double precision / greatest(1, ages.dead + ages.live) AS share,
    ages.inserted,
    ages.changed,
    found.limit,
    extract(EPOCH FROM %(now)s - ages.vacuumed_at)::double precision AS vacuumed,
    extract(EPOCH FROM %(now)s - ages.analyzed_at)::double precision AS analyzed
FROM ages
CROSS JOIN LATERAL (
    VALUES
        (
            -- After a large load, autovacuum may not have started yet.
            'table-dead-rows',
            CASE WHEN coalesce(since_vacuum >= '1 hour', TRUE) THEN 'warning' ELSE 'info' END,
            dead_limit,
            NOT is_partitioned AND dead >= greatest(10000, dead_limit * 2)
        ),
        (
            'table-vacuum-late',
            'warning',
            inserted_limit,
            NOT is_partitioned
            AND inserted >= greatest(10000, inserted_limit * 2)
            AND coalesce(since_vacuum >= '1 day', TRUE)
        ),
        (
            'table-never-analyzed',
            CASE WHEN is_partitioned THEN 'info' ELSE 'warning' END,
            NULL,
            rows >= 10000
            AND coalesce(since_analyze >= '1 day', TRUE)
            AND NOT has_statistics
            AND is_owned
        ),
        (
            'table-analyze-late',
            'warning',
            changed_limit,
            rows >= 10000
            AND coalesce(since_analyze >= '1 day', TRUE)
            AND (has_statistics OR NOT is_owned)
            AND changed >= greatest(10000, changed_limit * 2)
        ),
        ('table-autovacuum-off', 'warning', NULL, NOT is_partitioned AND NOT has_autovacuum)
) AS found (code, severity, "limit", is_found)
WHERE found.is_found
