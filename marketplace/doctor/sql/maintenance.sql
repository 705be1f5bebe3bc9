-- The counters of each table, and the thresholds of autovacuum with the storage parameters of the
-- table.
WITH options AS (
    SELECT
        class.oid,
        jsonb_object_agg(split_part(option, '=', 1), split_part(option, '=', 2)) AS own
    FROM pg_class AS class, unnest(class.reloptions) AS option
    GROUP BY class.oid
),

tables AS (
    SELECT
        class.oid,
        class.relkind,
        format('%%I.%%I', namespace.nspname, class.relname) AS path,
        class.relname AS name,
        namespace.nspname AS schema,
        pg_get_userbyid(class.relowner) AS owner,
        pg_has_role(class.relowner, 'USAGE') AS is_owned,
        coalesce(options.own, '{}'::jsonb) AS own,
        greatest(class.reltuples, 0) AS known_rows,
        CASE WHEN class.relkind = 'p' THEN NULL ELSE age(class.relfrozenxid) END AS xid_age,
        CASE WHEN class.relkind = 'p' THEN NULL ELSE mxid_age(class.relminmxid) END AS mxid_age
    FROM pg_class AS class
    INNER JOIN pg_namespace AS namespace ON class.relnamespace = namespace.oid
    LEFT JOIN options ON class.oid = options.oid
    WHERE
        class.relkind IN ('r', 'm', 'p')
        AND class.relpersistence <> 't'
        AND namespace.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
)

SELECT
    tables.oid::bigint AS oid,
    tables.path,
    tables.name,
    tables.schema,
    tables.owner,
    tables.is_owned,
    tables.relkind = 'p' AS is_partitioned,
    tables.xid_age,
    tables.mxid_age,
    coalesce(tables.own ->> 'autovacuum_enabled', 'true') IN ('true', 'on', '1', 'yes')
        AS has_autovacuum,
    CASE
        WHEN tables.relkind = 'p' THEN (
            SELECT coalesce(sum(greatest(leaf.reltuples, pg_stat_get_live_tuples(leaf.oid), 0)), 0)
            FROM pg_partition_tree(tables.oid) AS tree
            INNER JOIN pg_class AS leaf ON tree.relid = leaf.oid
            WHERE tree.isleaf
        )
        ELSE greatest(tables.known_rows, pg_stat_get_live_tuples(tables.oid))
    END::bigint AS rows,
    pg_stat_get_live_tuples(tables.oid) AS live,
    pg_stat_get_dead_tuples(tables.oid) AS dead,
    pg_stat_get_mod_since_analyze(tables.oid) AS changed,
    pg_stat_get_ins_since_vacuum(tables.oid) AS inserted,
    greatest(
        pg_stat_get_last_vacuum_time(tables.oid), pg_stat_get_last_autovacuum_time(tables.oid)
    ) AS vacuumed_at,
    greatest(
        pg_stat_get_last_analyze_time(tables.oid), pg_stat_get_last_autoanalyze_time(tables.oid)
    ) AS analyzed_at,
    EXISTS (
        SELECT FROM pg_stats
        WHERE pg_stats.schemaname = tables.schema AND pg_stats.tablename = tables.name
    ) AS has_statistics,
    (
        coalesce(
            tables.own ->> 'autovacuum_vacuum_threshold',
            current_setting('autovacuum_vacuum_threshold')
        )::bigint
        + coalesce(
            tables.own ->> 'autovacuum_vacuum_scale_factor',
            current_setting('autovacuum_vacuum_scale_factor')
        )::double precision * tables.known_rows
    )::bigint AS dead_limit,
    (
        greatest(
            coalesce(
                tables.own ->> 'autovacuum_vacuum_insert_threshold',
                current_setting('autovacuum_vacuum_insert_threshold')
            )::bigint, 0
        )
        + coalesce(
            tables.own ->> 'autovacuum_vacuum_insert_scale_factor',
            current_setting('autovacuum_vacuum_insert_scale_factor')
        )::double precision * tables.known_rows
    )::bigint AS inserted_limit,
    (
        coalesce(
            tables.own ->> 'autovacuum_analyze_threshold',
            current_setting('autovacuum_analyze_threshold')
        )::bigint
        + coalesce(
            tables.own ->> 'autovacuum_analyze_scale_factor',
            current_setting('autovacuum_analyze_scale_factor')
        )::double precision * tables.known_rows
    )::bigint AS changed_limit,
    least(
        (tables.own ->> 'autovacuum_freeze_max_age')::bigint,
        current_setting('autovacuum_freeze_max_age')::bigint
    ) AS xid_limit,
    least(
        (tables.own ->> 'autovacuum_multixact_freeze_max_age')::bigint,
        current_setting('autovacuum_multixact_freeze_max_age')::bigint
    ) AS mxid_limit
FROM tables
ORDER BY tables.path
