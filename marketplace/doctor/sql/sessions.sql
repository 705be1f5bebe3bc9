SELECT
    activity.pid,
    activity.usename AS role,
    activity.application_name AS application,
    activity.state,
    extract(EPOCH FROM %(now)s - activity.xact_start)::double precision AS transaction_seconds,
    extract(EPOCH FROM %(now)s - activity.state_change)::double precision AS state_seconds,
    activity.wait_event_type = 'Lock' AS is_waiting,
    pg_blocking_pids(activity.pid) AS blockers,
    activity.query
FROM pg_stat_activity AS activity
WHERE
    activity.datname = current_database()
    AND activity.pid <> pg_backend_pid()
    -- The type of sessions of other roles is NULL for a role without pg_monitor.
    AND coalesce(activity.backend_type, 'client backend') = 'client backend'
ORDER BY activity.xact_start
