"""What a role of your own may do in a database: read it, or load data into it."""

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper
from psycopg2 import sql
from psycopg2.sql import SQL, Identifier

from marketplace.exceptions import MarketplaceError
from marketplace.registry import ALIASES, CONTROL
from marketplace.roles.definitions import owner_of, roles_of

_READ = (
    "GRANT CONNECT ON DATABASE {database} TO {role}",
    "GRANT USAGE ON SCHEMA public TO {role}",
    "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
)
_WRITE = (
    # Loading stages batches in temporary tables.
    "GRANT TEMPORARY ON DATABASE {database} TO {role}",
    "GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
    "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}",
    # Creating the months of price history that are missing.
    "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {role}",
)

# Tables that later migrations and new months create, by whoever creates them.
_READ_LATER = (
    "ALTER DEFAULT PRIVILEGES FOR ROLE {creator} IN SCHEMA public GRANT SELECT ON TABLES TO {role}",
)
_WRITE_LATER = (
    "ALTER DEFAULT PRIVILEGES FOR ROLE {creator} IN SCHEMA public "
    "GRANT INSERT, UPDATE, DELETE ON TABLES TO {role}",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {creator} IN SCHEMA public "
    "GRANT USAGE, SELECT ON SEQUENCES TO {role}",
)


def grant(alias: str, role: str, *, can_write: bool) -> None:
    """Let a role read a database, and write its data if `can_write`. Safe to run again.

    It covers the tables that there are and those that the connected role and the database's owner
    create later.

    :raises MarketplaceError: if there is no such role, or it is one of the databases' own
    """
    connection = connections[alias]
    if any(role == own.name for other in (CONTROL, *ALIASES) for own in roles_of(other)):
        raise MarketplaceError(
            f"{role} has its own rights, and gets no others. To mend them: "
            f"python manage.py db_grants --repair"
        )
    with transaction.atomic(using=alias), connection.cursor() as cursor:
        if not _exists(cursor, role):
            raise MarketplaceError(
                f"There is no role {role}. Create it: python manage.py dbshell --database "
                f"{alias} -- -c \"CREATE ROLE {role} LOGIN PASSWORD '…'\""
            )
        for statement in (*_READ, *(_WRITE if can_write else ())):
            cursor.execute(_composed(statement, connection.settings_dict["NAME"], role))
        for creator in _creators(cursor, owner_of(alias)):
            for statement in (*_READ_LATER, *(_WRITE_LATER if can_write else ())):
                cursor.execute(_composed(statement, creator, role))


def _exists(cursor: CursorWrapper, role: str) -> bool:
    cursor.execute("SELECT FROM pg_roles WHERE rolname = %(role)s", {"role": role})
    return cursor.fetchone() is not None


def _creators(cursor: CursorWrapper, owner: str) -> list[str]:
    """Return who creates tables: the connected role, and the owner if there is one."""
    query = "SELECT rolname FROM pg_roles WHERE rolname IN (current_user, %(owner)s)"
    cursor.execute(query, {"owner": owner})
    return [name for (name,) in cursor.fetchall()]


def _composed(statement: str, name: str, role: str) -> sql.Composed:
    """Fill in the database's or the creator's name, and the role's."""
    names = {"database": Identifier(name), "creator": Identifier(name), "role": Identifier(role)}
    return SQL(statement).format(**names)
