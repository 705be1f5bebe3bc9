SELECT
    datname AS name,
    datname = current_database() AS is_current,
    age(datfrozenxid) AS transaction_age,
    mxid_age(datminmxid) AS multixact_age,
    current_setting('autovacuum_freeze_max_age')::bigint AS transaction_limit,
    current_setting('autovacuum_multixact_freeze_max_age')::bigint AS multixact_limit
FROM pg_database
WHERE datallowconn
