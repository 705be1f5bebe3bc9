"""The extension pg_stat_statements, which counts the statements of a server."""

from django.db import Error

from marketplace.databases.server import MAINTENANCE_DATABASE, connect_to_database


def enable_statement_statistics(alias: str) -> bool:
    """Create pg_stat_statements on the database's server; return whether that succeeded.

    The extension counts the statements of all databases, wherever it is created. In the maintenance
    database it is part of no backup: a role without superuser rights could not restore it.

    Safe to run repeatedly and concurrently.
    """
    try:
        with connect_to_database(alias, MAINTENANCE_DATABASE) as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    except Error:
        # The privilege, the library or the database is missing: db_slow reports the remedy.
        return False
    return True
