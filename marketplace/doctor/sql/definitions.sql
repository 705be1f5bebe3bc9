-- Unlogged tables, disabled triggers, constraints that are not validated, outdated extensions.
SELECT
    'table-unlogged' AS code,
    format('%%I.%%I', namespace.nspname, class.relname) AS path,
    '' AS name,
    '' AS kind
FROM pg_class AS class
INNER JOIN pg_namespace AS namespace ON class.relnamespace = namespace.oid
WHERE class.relkind = 'r' AND class.relpersistence = 'u'
UNION ALL
SELECT
    'trigger-disabled',
    format('%%I.%%I', namespace.nspname, class.relname),
    quote_ident(trigger.tgname),
    CASE WHEN trigger.tgisinternal THEN 'internal' ELSE 'own' END
FROM pg_trigger AS trigger
INNER JOIN pg_class AS class ON trigger.tgrelid = class.oid
INNER JOIN pg_namespace AS namespace ON class.relnamespace = namespace.oid
WHERE trigger.tgenabled = 'D'
UNION ALL
SELECT
    'constraint-not-valid',
    format('%%I.%%I', namespace.nspname, class.relname),
    quote_ident(con.conname),
    con.contype::text
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
    quote_ident(extensions.extname),
    available.default_version,
    extensions.extversion
FROM pg_extension AS extensions
INNER JOIN pg_available_extensions AS available ON available.name = extensions.extname
WHERE available.default_version <> extensions.extversion
ORDER BY code, path, name
