"""Status, readiness and metrics of the databases.

`views` serves `/healthz`, `/readyz` and `/metrics`; `status` is read by db_status and the front
page of the admin. `readiness`, `measurements` and `pgbouncer` query the databases over short
connections and cache the answers for seconds; `metrics` renders them for Prometheus.
"""
