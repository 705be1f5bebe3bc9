"""Rollups: tables of precomputed rows, which questions read where the raw rows would take too long.

A rollup is a file `<app>/rollups/<name>.sql`: a head in TOML and one SELECT. Its rows are kept in
the table `<app>_rollup_<name>`, and the time of the data in `<app>_rollups`.
`marketplace.databases.rollup_tables` creates the tables after migrations. `refresh` computes the
rows: the command `db_rollups` calls it, and so do commands that load.
"""
