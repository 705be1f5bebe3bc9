/*
title = "cache hit rate"

[cache-hit-rate]
subject = "{database}"
what = "{rate:.0%} of the requested blocks were in the server's memory."
why = """\
    The others came from the operating system or the disk, up to a thousand times slower. More \
    memory or fewer sequential scans improve the rate."""
fix = "SHOW shared_buffers;  -- about a quarter of the machine's memory"
evidence = ["hit", "read", "rate"]
is_of_statistics = true

[unknown]
insufficient_data = "{read:,} blocks read; 100,000 are needed"
*/
WITH rates AS (
    SELECT
        blks_hit AS hit,
        blks_read AS read,
        round(blks_hit::numeric / nullif(blks_hit + blks_read, 0), 4)::double precision AS rate
    FROM pg_stat_database
    WHERE datname = current_database()
)

SELECT
    hit,
    read,
    rate,
    CASE WHEN read < 100000 THEN 'unknown' ELSE 'cache-hit-rate' END AS code,
    CASE WHEN rate < 0.8 THEN 'warning' ELSE 'info' END AS severity
FROM rates
WHERE read < 100000 OR rate < 0.95
