#!/bin/sh
# Create a base backup of the server, whose data folder and socket are mounted, every day at
# PGBACKREST_HOUR (UTC): full on Sundays, differential on other days. Without any backup, create a
# full one immediately.
set -eu

until pgbackrest stanza-create && pgbackrest check; do
    echo "The server or its archive is not ready. Trying again in 10 seconds."
    sleep 10
done

backup() {
    # The log and the health check report a failure. The next backup runs on the next day.
    pgbackrest backup --type="$1" || echo "The base backup failed: see the lines above."
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
