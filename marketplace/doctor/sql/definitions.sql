/*
title = "definitions of tables, triggers and constraints"

[table-unlogged]
subject = "{path}"
what = "The table is unlogged."
why = """\
    A crash empties the table, and neither standby servers nor WAL archives contain its rows."""
fix = "ALTER TABLE {path} SET LOGGED;"

[trigger-disabled]
subject = "{path}.{name}"
what = "The trigger is disabled{detail}."
why = """\
    The trigger does not fire: rows written while it was disabled were not checked or recorded."""
fix = "ALTER TABLE {path} ENABLE TRIGGER {target};"

[constraint-not-valid]
subject = "{path}.{name}"
what = "The constraint was added NOT VALID, and existing rows were never checked."
why = "Existing rows may violate the constraint, and a restore may fail because of them."
fix = "ALTER TABLE {path} VALIDATE CONSTRAINT {name};"

[extension-outdated]
subject = "{path}"
what = "The extension has version {detail}; the server provides {name}."
why = "The extension's functions are those of an older release, without later fixes."
fix = "ALTER EXTENSION {path} UPDATE;"
*/
SELECT
    'table-unlogged' AS code,
    'warning' AS severity,
    format('%%I.%%I', namespace.nspname, class.relname) AS path,
    '' AS name,
    '' AS detail,
    '' AS target
FROM pg_class AS class
INNER JOIN pg_namespace AS namespace ON class.relnamespace = namespace.oid
WHERE class.relkind = 'r' AND class.relpersistence = 'u'
UNION ALL
SELECT
    'trigger-disabled',
    CASE WHEN trigger.tgisinternal THEN 'critical' ELSE 'warning' END,
    format('%%I.%%I', namespace.nspname, class.relname),
    quote_ident(trigger.tgname),
    CASE WHEN trigger.tgisinternal THEN ': a foreign key is not checked' ELSE '' END,
    CASE WHEN trigger.tgisinternal THEN 'ALL' ELSE quote_ident(trigger.tgname) END
FROM pg_trigger AS trigger
INNER JOIN pg_class AS class ON trigger.tgrelid = class.oid
INNER JOIN pg_namespace AS namespace ON class.relnamespace = namespace.oid
WHERE trigger.tgenabled = 'D'
UNION ALL
SELECT
    'constraint-not-valid',
    'warning',
    format('%%I.%%I', namespace.nspname, class.relname),
    quote_ident(con.conname),
    '',
    ''
FROM pg_constraint AS con
INNER JOIN pg_class AS class ON con.conrelid = class.oid
INNER JOIN pg_namespace AS namespace ON class.relnamespace = namespace.oid
WHERE
    NOT con.convalidated
    AND con.conparentid = 0
    -- From version 18 on, a constraint that is declared NOT ENFORCED is intended to be so.
    AND coalesce((to_jsonb(con) ->> 'conenforced')::boolean, TRUE)
UNION ALL
SELECT
    'extension-outdated',
    'info',
    quote_ident(extensions.extname),
    available.default_version,
    extensions.extversion,
    ''
FROM pg_extension AS extensions
INNER JOIN pg_available_extensions AS available ON available.name = extensions.extname
WHERE available.default_version <> extensions.extversion
ORDER BY code, path, name
