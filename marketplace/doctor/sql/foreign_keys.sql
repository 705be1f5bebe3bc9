/*
title = "foreign keys without an index"

[index-missing-foreign-key]
subject = "{path}"
what = "No index starts with the columns of the foreign key {constraint} (about {rows:,} rows)."
why = "Each delete or key update in {referenced} reads the whole table."
fix = "{command} ON {path} ({columns});"
evidence = ["rows", "constraint"]
*/
WITH keys AS (
    SELECT
        con.conname AS "constraint",
        format('%%I.%%I', namespace.nspname, referencing.relname) AS path,
        con.confrelid::regclass::text AS referenced,
        referencing.relkind = 'p' AS is_partitioned,
        (
            SELECT string_agg(quote_ident(attribute.attname), ', ' ORDER BY key.position)
            FROM unnest(con.conkey) WITH ORDINALITY AS key (number, position)
            INNER JOIN pg_attribute AS attribute
                ON attribute.attrelid = con.conrelid AND attribute.attnum = key.number
        ) AS columns,
        (
            SELECT coalesce(sum(greatest(leaf.reltuples, pg_stat_get_live_tuples(leaf.oid), 0)), 0)
            FROM pg_partition_tree(con.conrelid) AS tree
            INNER JOIN pg_class AS leaf ON tree.relid = leaf.oid
            WHERE tree.isleaf
        )::bigint
        + CASE
            WHEN referencing.relkind = 'r' AND NOT referencing.relispartition
                THEN greatest(referencing.reltuples, pg_stat_get_live_tuples(referencing.oid), 0)
            ELSE 0
        END::bigint AS rows
    FROM pg_constraint AS con
    INNER JOIN pg_class AS referencing ON con.conrelid = referencing.oid
    INNER JOIN pg_namespace AS namespace ON referencing.relnamespace = namespace.oid
    WHERE
        con.contype = 'f'
        AND con.conparentid = 0
        AND NOT EXISTS (
            SELECT FROM pg_index
            WHERE
                pg_index.indrelid = con.conrelid
                AND pg_index.indisvalid
                -- A partial index is sufficient if it only excludes rows without a reference.
                AND (
                    pg_index.indpred IS NULL
                    OR pg_get_expr(pg_index.indpred, pg_index.indrelid) LIKE '%%IS NOT NULL%%'
                )
                AND cardinality(con.conkey) <= pg_index.indnkeyatts
                AND (pg_index.indkey::smallint[])[0:cardinality(con.conkey) - 1] @> con.conkey
        )
)

SELECT
    keys.*,
    CASE
        WHEN is_partitioned THEN 'CREATE INDEX' ELSE 'CREATE INDEX CONCURRENTLY'
    END AS command
FROM keys
WHERE rows >= 10000
