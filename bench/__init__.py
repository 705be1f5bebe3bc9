"""Benchmarks of the loader, the archive and the backups, with a server and databases of their own.

`python -m bench` measures the loader against `bulk_create` and COPY, `python -m bench.archive` the
archive of the price history, and `python -m bench.backup` a backup set. Each prints its results and
writes them as JSON.
"""
