-- All indexes of tables. A partitioned index includes its partitions, which are not listed.
WITH RECURSIVE protected AS (
    -- Indexes that support a constraint, and their partitions.
    SELECT conindid AS oid FROM pg_constraint WHERE conindid <> 0
    UNION
    SELECT indexrelid FROM pg_index
    WHERE indisunique OR indisprimary OR indisexclusion OR indisreplident OR indisclustered
    UNION
    SELECT pg_inherits.inhrelid
    FROM protected INNER JOIN pg_inherits ON pg_inherits.inhparent = protected.oid
),

parts AS (
    SELECT oid AS root, oid AS part FROM pg_class WHERE relkind IN ('i', 'I') AND NOT relispartition
    UNION ALL
    SELECT parts.root, pg_inherits.inhrelid
    FROM parts INNER JOIN pg_inherits ON pg_inherits.inhparent = parts.part
),

measured AS (
    SELECT
        parts.root,
        sum(coalesce(pg_stat_get_numscans(parts.part), 0))::bigint AS scans,
        sum(pg_relation_size(parts.part))::bigint AS bytes,
        bool_and(pg_index.indisvalid AND pg_index.indisready) AS is_valid
    FROM parts INNER JOIN pg_index ON parts.part = pg_index.indexrelid
    GROUP BY parts.root
)

SELECT
    index.oid::bigint AS oid,
    namespace.nspname AS schema,
    index.relname AS name,
    format('%%I.%%I', namespace.nspname, index.relname) AS path,
    format('%%I.%%I', table_space.nspname, owner.relname) AS table_path,
    owner.relname AS table_name,
    owner.oid::bigint AS table_oid,
    index.relkind = 'I' AS is_partitioned,
    pg_index.indisunique AS is_unique,
    index.oid IN (SELECT oid FROM protected) AS is_protected,
    pg_index.indexprs IS NOT NULL AS has_expressions,
    method.amname AS method,
    string_to_array(pg_index.indkey::text, ' ')::integer[] AS columns,
    pg_index.indnkeyatts::integer AS key_count,
    string_to_array(pg_index.indclass::text, ' ') AS classes,
    string_to_array(pg_index.indcollation::text, ' ') AS collations,
    string_to_array(pg_index.indoption::text, ' ') AS options,
    coalesce(pg_get_expr(pg_index.indexprs, pg_index.indrelid), '') AS expressions,
    coalesce(pg_get_expr(pg_index.indpred, pg_index.indrelid), '') AS predicate,
    coalesce(index.reloptions::text, '') AS storage,
    pg_get_indexdef(index.oid) AS definition,
    measured.scans,
    measured.bytes,
    measured.is_valid,
    EXISTS (
        SELECT FROM pg_stat_progress_create_index AS progress
        WHERE progress.index_relid IN (SELECT part FROM parts WHERE parts.root = index.oid)
    ) AS is_being_built
FROM pg_class AS index
INNER JOIN pg_index ON index.oid = pg_index.indexrelid
INNER JOIN pg_namespace AS namespace ON index.relnamespace = namespace.oid
INNER JOIN pg_class AS owner ON pg_index.indrelid = owner.oid
INNER JOIN pg_namespace AS table_space ON owner.relnamespace = table_space.oid
INNER JOIN pg_am AS method ON index.relam = method.oid
INNER JOIN measured ON index.oid = measured.root
WHERE
    namespace.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    AND namespace.nspname NOT LIKE 'pg\_temp%%'
    AND owner.relkind IN ('r', 'p', 'm')
ORDER BY measured.bytes DESC, path
