/*
title = "standby servers"

[replication-lag]
subject = "{name}"
what = "The standby is {seconds:duration} and {bytes:size} behind."
why = "A failover now would lose that much, and queries on the standby return old data."
fix = "SELECT * FROM pg_stat_replication;  -- then check the standby's log"
evidence = ["seconds", "bytes"]
is_of_server = true

[hidden]
skipped = "the role {user} lacks the privilege: GRANT pg_monitor TO {user};"
*/
WITH standbys AS (
    SELECT
        application_name AS name,
        state,
        coalesce(extract(EPOCH FROM replay_lag), 0)::double precision AS seconds,
        CASE
            WHEN pg_is_in_recovery() THEN 0
            ELSE coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn), 0)
        END::bigint AS bytes
    FROM pg_stat_replication
    WHERE state IS DISTINCT FROM 'backup'
)

SELECT
    name,
    seconds,
    bytes,
    CASE WHEN state IS NULL THEN 'hidden' ELSE 'replication-lag' END AS code,
    CASE
        WHEN seconds >= 1800 OR bytes >= 10 * 1024 ^ 3 THEN 'critical' ELSE 'warning'
    END AS severity
FROM standbys
WHERE state IS NULL OR seconds >= 60 OR bytes >= 1024 ^ 3
