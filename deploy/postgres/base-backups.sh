#!/bin/sh
# Base backups of the server whose folder and socket are mounted here, every day at PGBACKREST_HOUR
# (UTC): a full one on Sundays, on other days what differs from that. Made at once if there is none.
set -eu

until pgbackrest stanza-create && pgbackrest check; do
    echo "The server or its archive is not ready. Trying again in 10 seconds."
    sleep 10
done

backup() {
    # One that fails is told in the log and by the health check; the next day's is tried anyway.
    pgbackrest backup --type="$1" || echo "The base backup failed: the lines above say why."
}

if ! pgbackrest info | grep -q "full backup"; then
    backup full
fi

while true; do
    now=$(date -u +%s)
    next=$(date -u -d "today ${PGBACKREST_HOUR:-21}:00" +%s)
    [ "$next" -gt "$now" ] || next=$((next + 86400))
    sleep $((next - now))
    if [ "$(date -u +%u)" = 7 ]; then backup full; else backup diff; fi
done
