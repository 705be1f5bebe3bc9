/*
title = "sequences running out"

[sequence-exhausted]
subject = "{path}"
what = "{share:.0%} of the sequence's numbers are used: {value:,} of {bound:,}."
why = "When no numbers are left, every insert into {column_path} fails."
evidence = ["value", "bound"]
*/
-- The type of the column may allow fewer values than the sequence.
WITH numbers AS (
    SELECT
        format('%%I.%%I', sequences.schemaname, sequences.sequencename) AS path,
        sequences.last_value AS value,
        CASE
            WHEN sequences.increment_by > 0 THEN least(sequences.max_value, limits.highest)
            ELSE greatest(sequences.min_value, limits.lowest)
        END AS bound,
        limits.column_path,
        limits.column_name,
        limits.table_path
    FROM pg_sequences AS sequences
    INNER JOIN pg_class AS class
        ON class.relname = sequences.sequencename
        AND class.relnamespace = to_regnamespace(quote_ident(sequences.schemaname))
    LEFT JOIN LATERAL (
        SELECT
            format('%%I.%%I.%%I', namespace.nspname, owner.relname, attribute.attname) AS column_path,
            format('%%I', attribute.attname) AS column_name,
            format('%%I.%%I', namespace.nspname, owner.relname) AS table_path,
            CASE attribute.atttypid::regtype::text
                WHEN 'smallint' THEN 32767 WHEN 'integer' THEN 2147483647
            END::bigint AS highest,
            CASE attribute.atttypid::regtype::text
                WHEN 'smallint' THEN -32768 WHEN 'integer' THEN -2147483648
            END::bigint AS lowest
        FROM pg_depend AS dependency
        INNER JOIN pg_class AS owner ON dependency.refobjid = owner.oid
        INNER JOIN pg_namespace AS namespace ON owner.relnamespace = namespace.oid
        INNER JOIN pg_attribute AS attribute
            ON attribute.attrelid = owner.oid AND attribute.attnum = dependency.refobjsubid
        WHERE
            dependency.objid = class.oid
            AND dependency.classid = 'pg_class'::regclass
            AND dependency.refclassid = 'pg_class'::regclass
            AND dependency.deptype IN ('a', 'i')
        LIMIT 1
    ) AS limits ON TRUE
    WHERE NOT sequences.cycle AND sequences.last_value IS NOT NULL
)

SELECT
    path,
    value,
    bound,
    coalesce(column_path, 'its table') AS column_path,
    value::double precision / bound AS share,
    CASE WHEN value::double precision / bound >= 0.9 THEN 'critical' ELSE 'warning' END AS severity,
    CASE
        WHEN column_path IS NOT NULL AND abs(bound::numeric) < 2 ^ 40
            THEN format(
                E'-- Rewrites the table, which is locked during the rewrite.\n'
                'ALTER TABLE %%s ALTER COLUMN %%s TYPE bigint;\n'
                'ALTER SEQUENCE %%s AS bigint;',
                table_path, column_name, path
            )
        ELSE format('ALTER SEQUENCE %%s AS bigint NO MAXVALUE;', path)
    END AS fix
FROM numbers
WHERE bound <> 0 AND value::double precision / bound >= 0.7
