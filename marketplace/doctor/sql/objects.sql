SELECT
    CASE WHEN class.relkind IN ('i', 'I') THEN 'index' ELSE 'table' END AS kind,
    class.oid::bigint AS oid,
    format('%%I.%%I', namespace.nspname, class.relname) AS name,
    CASE
        WHEN class.relkind IN ('i', 'I') THEN pg_relation_size(class.oid)
        -- Including TOAST, but not the indexes, which are listed separately.
        ELSE pg_table_size(class.oid)
    END AS bytes,
    greatest(class.reltuples, pg_stat_get_live_tuples(class.oid), 0)::bigint AS rows,
    coalesce(pg_stat_get_numscans(class.oid), 0) AS scans
FROM pg_class AS class
INNER JOIN pg_namespace AS namespace ON class.relnamespace = namespace.oid
WHERE
    class.relkind IN ('r', 'm', 'i', 'I')
    AND class.relpersistence <> 't'
    AND namespace.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    AND pg_relation_size(class.oid) IS NOT NULL
ORDER BY bytes DESC, name
