/*
title = "transaction ids running out"

[transaction-ids-exhausted]
subject = "{name}"
what = "{share:.0%} of all transaction ids are in use: the oldest is {age:,} old."
why = """\
    When the ids run out, the server rejects all writes until the tables are vacuumed. A long or \
    prepared transaction or a replication slot may keep vacuum from freezing."""
fix = "vacuumdb --freeze --jobs 2 {name}"
evidence = ["age", "limit"]

[multixact-ids-exhausted]
subject = "{name}"
what = "{share:.0%} of all multixact ids are in use: the oldest is {age:,} old."
why = """\
    When the ids run out, the server rejects all writes until the tables are vacuumed. A long or \
    prepared transaction or a replication slot may keep vacuum from freezing."""
fix = "vacuumdb --freeze --jobs 2 {name}"
evidence = ["age", "limit"]
*/
-- This database, and those of the server that are not checked by themselves. The server rejects
-- writes when nearly 2^31 ids are in use. Below a fifth, autovacuum did not have to freeze yet.
WITH ages AS (
{ages}
)

SELECT
    format('%%s-ids-exhausted', ids.kind) AS code,
    CASE WHEN ids.age >= 2 ^ 31 * 0.5 THEN 'critical' ELSE 'warning' END AS severity,
    ages.name,
    ids.age,
    ids.limit,
    ids.age / 2 ^ 31 AS share,
    NOT ages.is_current AS is_of_server
FROM ages
CROSS JOIN LATERAL (
    VALUES
        ('transaction', ages.transaction_age, ages.transaction_limit),
        ('multixact', ages.multixact_age, ages.multixact_limit)
) AS ids (kind, age, "limit")
WHERE
    ids.age >= greatest(ids.limit * 1.5, 2 ^ 31 * 0.2)
    AND (ages.is_current OR ages.name <> ALL(%(databases)s))
