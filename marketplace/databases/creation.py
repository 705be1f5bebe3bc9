"""Create and drop databases."""

from contextlib import AbstractContextManager

from django.db import Error, InterfaceError, OperationalError, connections
from django.db.backends.utils import CursorWrapper
from psycopg2 import errorcodes, sql

from marketplace.databases.names import database_name
from marketplace.databases.server import MAINTENANCE_DATABASE, connect_to_database
from marketplace.exceptions import MarketplaceError
from marketplace.postgresql.errors import error_code


def database_exists(alias: str) -> bool:
    """Return whether the server has the database.

    :raises OperationalError: if the server cannot be reached
    """
    with _maintenance_database(alias) as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_database WHERE datname = %(name)s", {"name": database_name(alias)}
        )
        return cursor.fetchone() is not None


def create_database(alias: str) -> bool:
    """Create the database unless it exists; return whether it was created.

    Safe to run repeatedly and concurrently.

    :raises OperationalError: if the server cannot be reached
    :raises MarketplaceError: if the role lacks the privilege to create databases
    """
    # A role that may use its own database but not the maintenance database is sufficient here.
    if _is_reachable(alias) or database_exists(alias):
        return False
    # No session is ever connected to template0, and it allows any encoding.
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'")
    with _maintenance_database(alias) as cursor:
        try:
            cursor.execute(statement.format(sql.Identifier(database_name(alias))))
        except Error as error:
            if error_code(error) in (errorcodes.DUPLICATE_DATABASE, errorcodes.UNIQUE_VIOLATION):
                return False
            if error_code(error) == errorcodes.INSUFFICIENT_PRIVILEGE:
                raise MarketplaceError(_missing_privilege(alias)) from error
            raise
    return True


def drop_database(alias: str) -> bool:
    """Drop the database with all its data; return whether it existed.

    Open connections to the database are terminated.

    :raises OperationalError: if the server cannot be reached
    """
    if not database_exists(alias):
        return False
    connections[alias].close()
    statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
    with _maintenance_database(alias) as cursor:
        cursor.execute(statement.format(sql.Identifier(database_name(alias))))
    return True


def _maintenance_database(alias: str) -> AbstractContextManager[CursorWrapper]:
    """Connect to the server's maintenance database as the alias's own user."""
    return connect_to_database(alias, MAINTENANCE_DATABASE)


def _is_reachable(alias: str) -> bool:
    try:
        connections[alias].ensure_connection()
    except (OperationalError, InterfaceError):
        # PgBouncer's refusals are no OperationalError.
        return False
    return True


def _missing_privilege(alias: str) -> str:
    name, user = database_name(alias), connections[alias].settings_dict["USER"]
    return (
        f"The role {user} may not create the database {name}. Create it as a superuser: "
        f"CREATE DATABASE {name} OWNER {user} TEMPLATE template0 ENCODING 'UTF8'; or allow it: "
        f"ALTER ROLE {user} CREATEDB;"
    )
