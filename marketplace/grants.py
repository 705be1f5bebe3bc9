"""What a role may do in a database: read it, or load data into it."""

from django.db import connections, transaction
from psycopg2 import sql
from psycopg2.sql import SQL, Identifier

from marketplace.exceptions import MarketplaceError

_READ = (
    "GRANT CONNECT ON DATABASE {database} TO {role}",
    "GRANT USAGE ON SCHEMA public TO {role}",
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
    # Tables that later migrations and new months create.
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {role}",
)
_WRITE = (
    "GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
    "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}",
    # Creating the months of price history that are missing.
    "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {role}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT INSERT, UPDATE, DELETE ON TABLES TO {role}",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {role}",
)


def grant(alias: str, role: str, *, can_write: bool) -> None:
    """Let a role read a database, and write its data if `can_write`. Safe to run again.

    It covers the tables that there are and those that the connected role creates later.

    :raises MarketplaceError: if there is no such role
    """
    connection = connections[alias]
    with transaction.atomic(using=alias), connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_roles WHERE rolname = %(role)s", {"role": role})
        if cursor.fetchone() is None:
            raise MarketplaceError(
                f"There is no role {role}. Create it: python manage.py dbshell --database "
                f"{alias} -- -c \"CREATE ROLE {role} LOGIN PASSWORD '…'\""
            )
        for statement in (*_READ, *(_WRITE if can_write else ())):
            cursor.execute(_composed(statement, connection.settings_dict["NAME"], role))


def _composed(statement: str, database: str, role: str) -> sql.Composed:
    return SQL(statement).format(database=Identifier(database), role=Identifier(role))
