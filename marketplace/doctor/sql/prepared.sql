SELECT
    gid AS name,
    owner AS role,
    extract(EPOCH FROM %(now)s - prepared)::double precision AS seconds
FROM pg_prepared_xacts
WHERE database = current_database()
ORDER BY prepared
