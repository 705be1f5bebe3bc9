"""The archive of the price history: whole months in Parquet files, beside the months in PostgreSQL.

A month is in one of both. The table `ecommerce_archived_months` says which are archived; files
beside it count only if they are what it says. An archived month is closed: what would change it is
not loaded until it is brought back.
"""
