/*
title = "replication slots"

[slot-inactive]
subject = "{name}"
what = "The {kind} slot is {state} and retains {retained:size} of WAL{detail}."
why = """\
    The server retains WAL for an unused slot until the disk is full, and vacuum may not remove \
    dead rows. A slot with the status lost lacks WAL and cannot be used any more."""
fix = "SELECT pg_drop_replication_slot('{name}');  -- if it is not needed any more"
evidence = ["retained", "status"]
*/
WITH slots AS (
    SELECT
        slot_name AS name,
        slot_type AS kind,
        database,
        active,
        wal_status AS status,
        wal_status IN ('unreserved', 'lost') AS is_lost,
        coalesce(
            pg_wal_lsn_diff(
                CASE
                    WHEN pg_is_in_recovery()
                        THEN pg_last_wal_replay_lsn()
                    ELSE pg_current_wal_lsn()
                END,
                restart_lsn
            ), 0
        )::bigint AS retained
    FROM pg_replication_slots
    WHERE NOT temporary
)

SELECT
    name,
    kind,
    retained,
    status,
    CASE WHEN active THEN 'in use' ELSE 'not in use' END AS state,
    coalesce(format(' (%%s)', nullif(status, '')), '') AS detail,
    CASE WHEN is_lost OR retained >= 10 * 1024 ^ 3 THEN 'critical' ELSE 'warning' END AS severity,
    database IS NULL AS is_of_server
FROM slots
WHERE (database IS NULL OR database = current_database()) AND (NOT active OR is_lost)
