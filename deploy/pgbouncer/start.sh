#!/bin/sh
# Write databases and users from the environment to a file system in memory, and run PgBouncer.
set -eu
umask 077

folder=/tmp/pgbouncer
mkdir -p "$folder"

quote() {
    printf '%s' "$1" | sed 's/"/""/g'
}

# user NAME PASSWORD: a role without a password cannot log in and is left out.
user() {
    [ -z "$2" ] || printf '"%s" "%s"\n' "$(quote "$1")" "$(quote "$2")"
}

# database NAME HOST PORT
database() {
    printf '%s = host=%s port=%s\n' "$1" "$2" "$3"
}

main=${DB_USER:-postgres}
host=${DB_HOST:-postgres}
port=${DB_PORT:-5432}
control=${MARKETPLACE_DB:-marketplace_db}
ecommerce=${ECOMMERCE_DB:-ecommerce_db}
classifieds=${CLASSIFIEDS_DB:-classifieds_db}
procurement=${PROCUREMENT_DB:-procurement_db}

{
    user "$main" "$DB_PASSWORD"
    user "${control}_app" "${MARKETPLACE_APP_PASSWORD:-}"
    user "${ecommerce}_loader" "${ECOMMERCE_LOADER_PASSWORD:-}"
    user "${classifieds}_loader" "${CLASSIFIEDS_LOADER_PASSWORD:-}"
    user "${procurement}_loader" "${PROCUREMENT_LOADER_PASSWORD:-}"
    # Questions are run as the analyst roles.
    user "${ecommerce}_analyst" "${ECOMMERCE_ANALYST_PASSWORD:-}"
    user "${classifieds}_analyst" "${CLASSIFIEDS_ANALYST_PASSWORD:-}"
    user "${procurement}_analyst" "${PROCUREMENT_ANALYST_PASSWORD:-}"
} > "$folder/userlist.txt"

{
    echo "[databases]"
    database "$control" "${MARKETPLACE_DB_HOST:-$host}" "${MARKETPLACE_DB_PORT:-$port}"
    database "$ecommerce" "${ECOMMERCE_DB_HOST:-$host}" "${ECOMMERCE_DB_PORT:-$port}"
    database "$classifieds" "${CLASSIFIEDS_DB_HOST:-$host}" "${CLASSIFIEDS_DB_PORT:-$port}"
    database "$procurement" "${PROCUREMENT_DB_HOST:-$host}" "${PROCUREMENT_DB_PORT:-$port}"
    echo "[pgbouncer]"
    echo "default_pool_size = ${PGBOUNCER_POOL_SIZE:-15}"
    echo "stats_users = $main, ${control}_app"
} > "$folder/databases.ini"

exec pgbouncer "${1:-/etc/pgbouncer/pgbouncer.ini}"
