#!/bin/sh
# Writes the token that the site asks for into memory, and becomes Prometheus.
set -eu
umask 077

if [ -z "${METRICS_TOKEN:-}" ]; then
    echo "METRICS_TOKEN is not set. Put one of 16 characters or more into .env."
    exit 1
fi
printf '%s' "$METRICS_TOKEN" > /tmp/metrics-token
exec /bin/prometheus \
    --config.file=/etc/prometheus/prometheus.yml \
    --storage.tsdb.path=/prometheus \
    --storage.tsdb.retention.time="${PROMETHEUS_RETENTION:-90d}"
