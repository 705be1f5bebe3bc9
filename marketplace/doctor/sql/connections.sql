-- The state and type of sessions of other roles are NULL for a role without pg_monitor.
-- Slots that are reserved for superusers or, since version 16, for members of
-- pg_use_reserved_connections are not available to other roles.
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
