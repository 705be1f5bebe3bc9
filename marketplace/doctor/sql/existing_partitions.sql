SELECT relname AS name
FROM pg_class
WHERE relname = ANY(%(names)s) AND relispartition
