/*
title = "tables with old transaction ids"

[table-ids-old]
subject = "{path}"
what = "The oldest {kind} id is {age:,} old; autovacuum should have frozen it at {limit:,}."
why = """\
    The vacuum to prevent wraparound has not run, or has not completed. When the ids run out, the \
    server rejects all writes."""
fix = "VACUUM (FREEZE) {path};"
evidence = ["age", "limit"]
*/
WITH tables AS (
{maintenance}
)

SELECT tables.path, ids.*
FROM tables
CROSS JOIN LATERAL (
    VALUES ('transaction', xid_age, xid_limit), ('multixact', mxid_age, mxid_limit)
) AS ids (kind, age, "limit")
WHERE NOT tables.is_partitioned AND ids.age > ids.limit * 1.5
