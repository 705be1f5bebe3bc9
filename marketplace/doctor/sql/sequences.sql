-- The type of the column may allow fewer values than the sequence.
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
ORDER BY path
