"""The archive of the price history: whole months in Parquet files instead of PostgreSQL.

A month is stored in one of the two. The table `ecommerce_archived_months` lists the archived months
with the hash of their content; other files in ARCHIVE_DIR are ignored. An archived month is closed:
records that would change it go to quarantine until the month is unarchived.

`moving` archives and unarchives months for db_archive and db_unarchive, with `export`, `months`
(partitions in PostgreSQL) and `layout` and `manifests` (files). `reading` queries the files for
charts and price_history, `closed_months` protects archived months during loads, and `notices` tells
users which months are omitted.
"""
