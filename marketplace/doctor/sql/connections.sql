/*
title = "connections"

[connections-database]
subject = "{database}"
what = "{used} of {limit} connections that the database allows are in use."
why = "At the limit, new connections of loads and pages to this database are rejected."
fix = """\
    ALTER DATABASE "{database}" CONNECTION LIMIT {recommended};  -- if the limit is already set to \
    this, raise max_connections"""
evidence = ["used", "limit"]

[connections-server]
subject = "max_connections"
what = "{used} of {limit} connections are in use ({total} minus the reserved ones): {applications}."
why = "At the limit, new connections of all loads and pages are rejected."
fix = """\
    SELECT pid, usename, application_name, state, state_change FROM pg_stat_activity WHERE \
    state = 'idle' ORDER BY state_change;  -- then use a connection pooler such as PgBouncer"""
evidence = ["used", "available"]
is_of_server = true
*/
-- The state and type of sessions of other roles are NULL for a role without pg_monitor.
-- Slots that are reserved for superusers or, since version 16, for members of
-- pg_use_reserved_connections are not available to other roles.
WITH counts AS (
    SELECT
        (
            SELECT count(*) FROM pg_stat_activity
            WHERE coalesce(backend_type, 'client backend') = 'client backend' AND datid IS NOT NULL
        ) AS used,
        current_setting('max_connections')::integer AS total,
        current_setting('max_connections')::integer
        - current_setting('superuser_reserved_connections')::integer
        - coalesce(current_setting('reserved_connections', true), '0')::integer AS available,
        (
            SELECT count(*) FROM pg_stat_activity
            WHERE
                datname = current_database()
                AND coalesce(backend_type, 'client backend') = 'client backend'
        ) AS own_used,
        (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS own_limit,
        (
            SELECT string_agg(format('%%s %%s', count, application), ', ' ORDER BY count DESC)
            FROM (
                SELECT
                    count(*) AS count,
                    coalesce(nullif(application_name, ''), 'without a name') AS application
                FROM pg_stat_activity
                WHERE
                    coalesce(backend_type, 'client backend') = 'client backend'
                    AND datid IS NOT NULL
                GROUP BY 2 ORDER BY 1 DESC LIMIT 5
            ) AS applications
        ) AS applications
)

SELECT
    found.*,
    CASE WHEN found.used >= found.limit * 0.95 THEN 'critical' ELSE 'warning' END AS severity,
    counts.total,
    counts.available,
    counts.applications,
    greatest(1, floor(counts.available * %(database_share)s)) AS recommended
FROM counts
CROSS JOIN LATERAL (
    VALUES
        ('connections-database', counts.own_used, counts.own_limit),
        ('connections-server', counts.used, counts.available)
) AS found (code, used, "limit")
-- A limit of -1 means that the database has none.
WHERE found.limit >= 0 AND found.used >= found.limit * 0.8
