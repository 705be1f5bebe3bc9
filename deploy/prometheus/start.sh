#!/bin/sh
# Write METRICS_TOKEN to a file system in memory, and run Prometheus.
set -eu
umask 077

if [ -z "${METRICS_TOKEN:-}" ]; then
    echo "METRICS_TOKEN is not set. Set it to 16 characters or more in .env."
    exit 1
fi
printf '%s' "$METRICS_TOKEN" > /tmp/metrics-token
exec /bin/prometheus \
    --config.file=/etc/prometheus/prometheus.yml \
    --storage.tsdb.path=/prometheus \
    --storage.tsdb.retention.time="${PROMETHEUS_RETENTION:-90d}"
