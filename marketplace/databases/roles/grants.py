"""Grant access to a database to a role that is not one of its own."""

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper
from psycopg2 import sql
from psycopg2.sql import SQL, Identifier

from marketplace.databases.roles.definitions import LOCK_FUNCTIONS, owner_of, roles_of
from marketplace.databases.roles.other_roles import read_privileges
from marketplace.exceptions import MarketplaceError
from marketplace.registry import ALIASES, CONTROL

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
    # Functions create missing months of the price history.
    "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {role}",
)

# Privileges on tables that later migrations and new months create.
_READ_LATER = (
    "ALTER DEFAULT PRIVILEGES FOR ROLE {creator} IN SCHEMA public GRANT SELECT ON TABLES TO {role}",
)
_WRITE_LATER = (
    "ALTER DEFAULT PRIVILEGES FOR ROLE {creator} IN SCHEMA public "
    "GRANT INSERT, UPDATE, DELETE ON TABLES TO {role}",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {creator} IN SCHEMA public "
    "GRANT USAGE, SELECT ON SEQUENCES TO {role}",
)

# Loads take advisory locks (for the run, for new months), which init_all restricts to the roles
# that write.
_MISSING_LOCKS = """
SELECT format('pg_catalog.%%I(%%s)', p.proname, pg_get_function_identity_arguments(p.oid))
FROM pg_proc AS p
WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname ~ %(functions)s
    AND NOT has_function_privilege(%(role)s, p.oid, 'EXECUTE')
"""


def grant(alias: str, role: str, *, can_write: bool) -> bool:
    """Grant read access to a role, and write access if `can_write`. Safe to run repeatedly.

    The privileges cover existing tables, and tables that the connected role and the database's
    owner create later. Return whether the role lacked any of them.

    :raises MarketplaceError: if the role does not exist, is one of the databases' own, or cannot be
        granted the advisory locks that writing needs
    """
    connection = connections[alias]
    if any(
        role == project_role.name
        for other in (CONTROL, *ALIASES)
        for project_role in roles_of(other)
    ):
        raise MarketplaceError(
            f"{role} is one of the project's own roles; this command does not change its "
            "privileges. To repair them: python manage.py db_grants --repair"
        )
    with transaction.atomic(using=alias), connection.cursor() as cursor:
        if not _exists(cursor, role):
            raise MarketplaceError(
                f"The role {role} does not exist. Create it: python manage.py dbshell --database "
                f"{alias} -- -c \"CREATE ROLE {role} LOGIN PASSWORD '…'\""
            )
        before = read_privileges(cursor, alias, role)
        for statement in (*_READ, *(_WRITE if can_write else ())):
            cursor.execute(_composed(statement, connection.settings_dict["NAME"], role))
        for creator in _creators(cursor, owner_of(alias)):
            for statement in (*_READ_LATER, *(_WRITE_LATER if can_write else ())):
                cursor.execute(_composed(statement, creator, role))
        if can_write:
            _allow_locks(cursor, alias, role)
        return read_privileges(cursor, alias, role) != before


def _allow_locks(cursor: CursorWrapper, alias: str, role: str) -> None:
    for name in _missing_lock_functions(cursor, role):
        cursor.execute(
            SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(SQL(name), Identifier(role))
        )
    # PostgreSQL only warns if the connected role may not grant a privilege.
    if _missing_lock_functions(cursor, role):
        raise MarketplaceError(
            f"{role} may not take advisory locks, which every load needs. Run this as a "
            f"superuser: python manage.py db_grants {role} --write --database {alias}"
        )


def _missing_lock_functions(cursor: CursorWrapper, role: str) -> list[str]:
    cursor.execute(_MISSING_LOCKS, {"functions": f"^{LOCK_FUNCTIONS}$", "role": role})
    return [name for (name,) in cursor.fetchall()]


def _exists(cursor: CursorWrapper, role: str) -> bool:
    cursor.execute("SELECT FROM pg_roles WHERE rolname = %(role)s", {"role": role})
    return cursor.fetchone() is not None


def _creators(cursor: CursorWrapper, owner: str) -> list[str]:
    """Return the roles that create tables: the connected role, and the owner if it exists."""
    query = "SELECT rolname FROM pg_roles WHERE rolname IN (current_user, %(owner)s)"
    cursor.execute(query, {"owner": owner})
    return [name for (name,) in cursor.fetchall()]


def _composed(statement: str, name: str, role: str) -> sql.Composed:
    """Insert the name of the database or creator, and that of the role."""
    names = {"database": Identifier(name), "creator": Identifier(name), "role": Identifier(role)}
    return SQL(statement).format(**names)
