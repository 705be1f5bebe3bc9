/*
title = "settings that endanger data"

[setting-fsync]
why = "A crash of the machine may leave the data damaged beyond repair."
evidence = ["setting", "source"]

[setting-full-page-writes]
why = "A crash of the machine may leave the data damaged beyond repair."
evidence = ["setting", "source"]

[setting-zero-damaged-pages]
why = "Damaged pages are read as empty, and their rows are lost silently."
evidence = ["setting", "source"]

[setting-autovacuum]
why = """\
    Dead rows are not removed and statistics become outdated. Tables are only vacuumed before their \
    transaction ids run out."""
evidence = ["setting", "source"]

[setting-track-counts]
why = """\
    Autovacuum depends on these counts: without them, tables are only vacuumed before their \
    transaction ids run out."""
evidence = ["setting", "source"]

[setting-ignore-checksum-failure]
why = "Checksum failures do not raise errors; corrupted data may be returned."
evidence = ["setting", "source"]

[setting-synchronous-commit]
why = "A crash loses the last commits, although the server has confirmed them."
evidence = ["setting", "source"]

[setting-wal-level]
why = "Neither standby servers nor point-in-time recovery are possible."
evidence = ["setting", "source"]

[setting-data-checksums]
why = """\
    Data that the disk has damaged may be returned and backed up without an error. The server must \
    be stopped to enable checksums."""
evidence = ["setting", "source"]
*/
WITH rules (name, setting, severity, safe) AS (
    VALUES
        ('fsync', 'off', 'critical', 'on'),
        ('full_page_writes', 'off', 'critical', 'on'),
        ('zero_damaged_pages', 'on', 'critical', 'off'),
        ('autovacuum', 'off', 'critical', 'on'),
        ('track_counts', 'off', 'critical', 'on'),
        ('ignore_checksum_failure', 'on', 'warning', 'off'),
        ('synchronous_commit', 'off', 'warning', 'on'),
        ('wal_level', 'minimal', 'warning', 'replica'),
        ('data_checksums', 'off', 'info', 'on')
),

-- The values in this session, and those that are set for the database.
actual AS (
    SELECT
        settings.name,
        settings.setting,
        settings.source,
        settings.context,
        (
            SELECT split_part(option, '=', 2)
            FROM pg_db_role_setting AS own, unnest(own.setconfig) AS option
            WHERE
                own.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND own.setrole = 0
                AND split_part(option, '=', 1) = settings.name
        ) AS of_database
    FROM pg_settings AS settings
)

SELECT
    format('setting-%%s', replace(rules.name, '_', '-')) AS code,
    rules.severity,
    rules.name AS subject,
    rules.setting,
    actual.source,
    actual.of_database IS NULL AS is_of_server,
    format(
        '%%s = %%s%%s.', rules.name, rules.setting,
        CASE WHEN actual.of_database IS NOT NULL THEN ' for this database' END
    ) AS what,
    CASE
        WHEN actual.of_database IS NOT NULL
            THEN format('ALTER DATABASE "%%s" RESET %%s;', current_database(), rules.name)
        WHEN rules.name = 'data_checksums'
            THEN 'pg_checksums --enable --pgdata DATA_DIRECTORY  # while the server is stopped'
        WHEN actual.source IN ('user', 'database user')
            THEN format('ALTER ROLE %%s RESET %%s;', current_user, rules.name)
        WHEN %(is_embedded)s
            THEN format(
                'python manage.py db_stop  # after removing %%s from EMBEDDED_POSTGRES_CONF; the '
                'next command starts the server', rules.name
            )
        WHEN actual.source = 'command line'
            THEN format('Start the server with %%s=%%s.', rules.name, rules.safe)
        ELSE format(
            'ALTER SYSTEM SET %%s = %%s; %%s', rules.name, rules.safe,
            CASE
                WHEN actual.context = 'postmaster' THEN '-- then restart the server'
                ELSE 'SELECT pg_reload_conf();'
            END
        )
    END AS fix
FROM rules
INNER JOIN actual USING (name)
WHERE
    coalesce(actual.of_database, actual.setting) = rules.setting
    OR (rules.setting, actual.of_database) IN (('on', 'true'), ('off', 'false'))
