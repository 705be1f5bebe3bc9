-- Locks in the shared lock table of the server. Fast-path locks are stored per session, and
-- predicate locks of serializable transactions (SIReadLock) in a separate table.
SELECT
    activity.pid,
    activity.usename AS role,
    activity.application_name AS application,
    count(*) AS held,
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
ORDER BY held DESC
