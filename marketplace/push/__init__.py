"""Pushes: scrapers send payloads by HTTP, and workers load them.

`marketplace.api` receives requests, and `parameters` reads their parameters. `request_body` bounds
a body, `content_encoding` decompresses it, `json_lines` checks its lines, and `inbox` stores them
as a queued run in the platform's database. The command `ingest_queue` runs the `worker`, which
loads queued runs by `loading.ingest`.
"""
