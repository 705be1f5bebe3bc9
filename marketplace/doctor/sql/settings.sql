-- `setting` is the value in this session, `of_database` the value set for the database.
SELECT
    settings.name,
    settings.setting,
    settings.source,
    (
        SELECT split_part(option, '=', 2)
        FROM pg_db_role_setting AS own, unnest(own.setconfig) AS option
        WHERE
            own.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND own.setrole = 0
            AND split_part(option, '=', 1) = settings.name
    ) AS of_database
FROM pg_settings AS settings
WHERE settings.name = ANY(%(names)s)
