"""The waiting room: a person lists and shows what waits, and releases or discards it.

`ingest_review` and the admin site call `records`; `entries` has what all kinds of entries have in
common, and runs, the first kind.
"""
