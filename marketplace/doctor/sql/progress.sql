SELECT
    phase,
    heap_blks_scanned AS done,
    heap_blks_total AS total
FROM pg_stat_progress_vacuum
WHERE datname = current_database() AND relid = to_regclass(format('%%I.%%I', %(schema)s::text, %(table)s::text))
UNION ALL
SELECT
    phase,
    sample_blks_scanned,
    sample_blks_total
FROM pg_stat_progress_analyze
WHERE datname = current_database() AND relid = to_regclass(format('%%I.%%I', %(schema)s::text, %(table)s::text))
