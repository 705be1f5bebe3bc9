/*
title = "replay on this standby"

[standby-behind]
subject = "recovery"
what = "This standby is {seconds:duration} behind."
why = "Queries return old data. A long query on this server may delay the replay."
fix = "SELECT * FROM pg_stat_activity WHERE backend_type = 'client backend';"
evidence = ["seconds"]
is_of_server = true
*/
SELECT extract(EPOCH FROM now() - pg_last_xact_replay_timestamp())::double precision AS seconds
WHERE
    pg_is_in_recovery()
    AND pg_last_wal_receive_lsn() IS DISTINCT FROM pg_last_wal_replay_lsn()
    AND now() - pg_last_xact_replay_timestamp() >= '1 minute'
