/*
title = "locks of one session"

[locks-many]
subject = "session {pid}"
what = """\
    {role} ({application}) holds {locks:,} locks; the server's lock table has about \
    {capacity:,} slots."""
why = """\
    When the lock table is full, statements of all databases fail with "out of shared memory"."""
fix = """\
    SELECT pg_terminate_backend({pid});  -- ends the session; or raise max_locks_per_transaction, \
    which needs a restart of the server"""
evidence = ["pid", "role", "locks"]
*/
-- Locks in the shared lock table of the server. Fast-path locks are stored per session, and
-- predicate locks of serializable transactions (SIReadLock) in a separate table.
WITH sessions AS (
    SELECT
        activity.pid,
        activity.usename AS role,
        coalesce(nullif(activity.application_name, ''), 'no application name') AS application,
        count(*) AS locks,
        current_setting('max_locks_per_transaction')::integer
        * (
            current_setting('max_connections')::integer
            + current_setting('max_prepared_transactions')::integer
        ) AS capacity
    FROM pg_locks AS locks
    INNER JOIN pg_stat_activity AS activity USING (pid)
    WHERE
        activity.datname = current_database()
        AND NOT locks.fastpath
        AND locks.mode <> 'SIReadLock'
    GROUP BY activity.pid, activity.usename, activity.application_name
)

SELECT
    *,
    CASE WHEN locks >= capacity * 0.75 THEN 'critical' ELSE 'warning' END AS severity
FROM sessions
WHERE locks >= capacity * 0.25
