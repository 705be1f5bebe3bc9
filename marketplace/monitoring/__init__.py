"""Status, readiness and metrics of the databases.

`views` serves `/healthz`, `/readyz` and `/metrics`; `status` is read by db_status and the front
page of the admin. `measurements` and `pgbouncer` query over short connections and cache the
answers for seconds; `metrics` renders them for Prometheus. Whether a database answers is always
read from `marketplace.databases.health`.
"""
