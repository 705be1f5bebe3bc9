/*
title = "transactions and queries of sessions"

[transaction-long]
subject = "session {pid}"
what = "{role} ({application}) has been in a transaction for {seconds:duration}: {query:query}"
why = """\
    The transaction keeps vacuum from removing newer dead rows in all tables, and holds its \
    locks."""
fix = "SELECT pg_cancel_backend({pid});  -- cancels its statement, if unwanted"
evidence = ["pid", "role", "seconds"]

[transaction-idle]
subject = "session {pid}"
what = """\
    {role} ({application}) has been idle in a transaction for {seconds:duration}; its last \
    statement: {query:query}"""
why = """\
    The transaction keeps vacuum from removing newer dead rows in all tables, and holds its locks. \
    The program has neither committed nor rolled back."""
fix = "SELECT pg_terminate_backend({pid});  -- ends the session and rolls back"
evidence = ["pid", "role", "seconds"]

[query-blocked]
subject = "session {pid}"
what = """\
    {role} ({application}) has waited for {seconds:duration} with {query:query}, blocked by \
    {blocker_names}."""
why = """\
    The session continues only when the blocking transaction ends. Other sessions that need the \
    same table queue up behind it."""
fix = """\
    SELECT pg_cancel_backend({blockers[0]});  -- cancels the blocker's statement; if it is idle: \
    SELECT pg_terminate_backend({blockers[0]});"""
evidence = ["pid", "role", "seconds", "blockers"]

# Every role may disable its own timeout.
[analyst-statement-long]
subject = "session {pid}"
what = """\
    {role} ({application}) has run a statement for {seconds:duration}, but \
    ANALYST_STATEMENT_TIMEOUT is {analyst_limit:duration}: {query:query}"""
why = """\
    The session or its role has another statement_timeout. The transaction keeps vacuum from \
    removing newer dead rows in all tables, and holds its locks."""
fix = "SELECT pg_terminate_backend({pid});  -- ends the session"
evidence = ["pid", "role", "seconds"]

[hidden]
skipped = "{hidden} of {total} sessions belong to other roles: GRANT pg_monitor TO {user};"
*/
WITH sessions AS (
    SELECT
        pid,
        usename AS role,
        coalesce(nullif(application_name, ''), 'no application name') AS application,
        state,
        extract(EPOCH FROM %(now)s - xact_start)::double precision AS transaction_seconds,
        extract(EPOCH FROM %(now)s - state_change)::double precision AS state_seconds,
        pg_blocking_pids(pid) AS blockers,
        query,
        count(*) FILTER (WHERE state IS NULL) OVER () AS hidden,
        count(*) OVER () AS total
    FROM pg_stat_activity
    WHERE
        datname = current_database()
        AND pid <> pg_backend_pid()
        -- The type of sessions of other roles is NULL for a role without pg_monitor.
        AND coalesce(backend_type, 'client backend') = 'client backend'
)

SELECT
    found.code,
    CASE WHEN found.seconds >= found.critical THEN 'critical' ELSE 'warning' END AS severity,
    round(found.seconds)::bigint AS seconds,
    sessions.pid,
    sessions.role,
    sessions.application,
    sessions.query,
    sessions.blockers,
    sessions.hidden,
    sessions.total,
    coalesce(
        (
            SELECT string_agg(
                format(
                    'session %%s of %%s (%%s), %%s: %%s', blocker.pid, blocker.role,
                    blocker.application, blocker.state, left(blocker.query, 120)
                ), '; '
            )
            FROM sessions AS blocker
            WHERE blocker.pid = ANY(sessions.blockers) AND blocker.state IS NOT NULL
        ), sessions.blockers::text
    ) AS blocker_names
FROM sessions
CROSS JOIN LATERAL (
    VALUES
        (
            'transaction-long', sessions.transaction_seconds, 3600, 12 * 3600,
            sessions.state NOT LIKE 'idle in transaction%%'
        ),
        (
            'transaction-idle', sessions.state_seconds, 600, 2 * 3600,
            sessions.state LIKE 'idle in transaction%%'
        ),
        ('query-blocked', sessions.state_seconds, 30, 600, cardinality(sessions.blockers) > 0),
        (
            -- Canceling a statement may take up to a minute.
            'analyst-statement-long', sessions.state_seconds, %(analyst_limit)s + 60, NULL,
            sessions.state = 'active' AND sessions.role = ANY(%(analysts)s)
        ),
        ('hidden', 0, 0, NULL, sessions.state IS NULL)
) AS found (code, seconds, warning, critical, is_possible)
WHERE found.is_possible AND found.seconds >= found.warning
