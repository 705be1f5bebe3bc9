/*
title = "prepared transactions"

[transaction-prepared]
subject = "{name}"
what = """\
    {role} prepared a transaction {seconds:duration} ago, which was neither committed nor rolled \
    back."""
why = """\
    The transaction keeps vacuum from removing newer dead rows in all tables, and holds its locks, \
    even after a restart of the server."""
fix = "ROLLBACK PREPARED '{name}';  -- or COMMIT PREPARED"
evidence = ["seconds"]
*/
SELECT
    gid AS name,
    owner AS role,
    round(extract(EPOCH FROM %(now)s - prepared))::bigint AS seconds,
    CASE WHEN %(now)s - prepared >= '2 hours' THEN 'critical' ELSE 'warning' END AS severity
FROM pg_prepared_xacts
WHERE database = current_database() AND %(now)s - prepared >= '10 minutes'
