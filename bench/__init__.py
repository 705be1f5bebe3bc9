"""Benchmarks of the loader, the archive, the backups and the questions.

Each has a server and databases of its own. `python -m bench` measures the loader against
`bulk_create` and COPY, `python -m bench.archive` the archive of the price history, `python -m
bench.backup` a backup set, and `python -m bench.answers` the questions. Each prints its results and
writes them as JSON.
"""
