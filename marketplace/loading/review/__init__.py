"""Rows that are pending review: a person lists, shows, releases or discards them.

`ingest_review` and the admin site call `records`; `entries` has what all kinds of entries have in
common, and runs, the first kind.
"""
