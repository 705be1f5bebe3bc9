/*
title = "invalid indexes"

[index-invalid]
subject = "{path}"
what = "The index is invalid: a CREATE INDEX CONCURRENTLY or REINDEX did not complete."
why = "No query uses the index, but writes may still update it."
fix = "{command} INDEX CONCURRENTLY {path};"
evidence = ["bytes", "definition"]
*/
WITH indexes AS (
{indexes}
)

SELECT
    path,
    bytes,
    definition,
    -- Leftovers of REINDEX CONCURRENTLY.
    CASE
        WHEN name ~ '_ccnew|_ccold' AND NOT is_protected AND NOT is_unique THEN 'DROP'
        ELSE 'REINDEX'
    END AS command
FROM indexes
WHERE NOT is_valid AND NOT is_being_built
