SELECT
    pg_database_size(current_database()) AS size,
    -- NULL if the role may not see the size of every database.
    (
        SELECT CASE
            WHEN bool_and(
                has_database_privilege(oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE')
            ) THEN sum(
                CASE
                    WHEN has_database_privilege(oid, 'CONNECT')
                        OR pg_has_role('pg_read_all_stats', 'USAGE')
                        THEN pg_database_size(oid)
                END
            )
        END
        FROM pg_database
    )::bigint AS used,
    -- Not visible to roles without pg_read_all_settings.
    (SELECT setting FROM pg_settings WHERE name = 'data_directory') AS data_directory,
    xact_commit AS commits,
    blks_read AS blocks_read,
    blks_hit AS blocks_hit
FROM pg_stat_database
WHERE datname = current_database()
