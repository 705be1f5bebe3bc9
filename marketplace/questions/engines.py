"""Where questions run: read-only connections that are logged in as a database's analyst role."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg2.extras import register_default_jsonb

from marketplace.databases.roles.definitions import Role, roles_of
from marketplace.exceptions import AnswerError, DatabaseUnavailableError
from marketplace.postgresql.errors import explain

#: Seconds after which a server that does not answer counts as down.
_CONNECT_SECONDS = 2


@contextmanager
def connect(alias: str) -> Iterator[BaseDatabaseWrapper]:
    """Yield a connection in a read-only transaction, which ends with the context.

    The session is logged in as the analyst role, because `SET ROLE` could be undone. Statements
    end after settings.QUESTION_TIMEOUT seconds.

    :raises AnswerError: if the role does not exist, or has no password
    :raises DatabaseUnavailableError: if the database cannot be reached
    """
    role = _analyst(alias)
    wrapper: Any = connections[alias].copy()
    wrapper.settings_dict |= {
        "USER": role.name,
        "PASSWORD": role.password,
        "EMBEDDED_USER": role.name,
        "OPTIONS": wrapper.settings_dict["OPTIONS"] | {"connect_timeout": _CONNECT_SECONDS},
    }
    try:
        try:
            wrapper.ensure_connection()
        except OperationalError as error:
            if f'role "{role.name}" does not exist' in str(error):
                raise AnswerError(
                    f"Questions about {alias} are run as the role {role.name}, which does not "
                    "exist. Run: python manage.py init_all"
                ) from error
            raise unavailable(alias, error) from error
        with wrapper.wrap_database_errors:
            wrapper.connection.set_session(readonly=True, autocommit=False)
            # Django reads JSON as text.
            register_default_jsonb(wrapper.connection)
            with wrapper.connection.cursor() as cursor:
                # Rows are read by a cursor, of which PostgreSQL expects that a tenth is read.
                cursor.execute(
                    "SELECT set_config('statement_timeout', %s, true), "
                    "set_config('cursor_tuple_fraction', '1', true)",
                    [f"{settings.QUESTION_TIMEOUT}s"],
                )
        yield wrapper
    finally:
        wrapper.close()


def unavailable(alias: str, error: OperationalError) -> DatabaseUnavailableError:
    """Return the error of a database that cannot be reached, or has ended the session."""
    return DatabaseUnavailableError(f"The database {alias} is unreachable: {explain(error)}")


def _analyst(alias: str) -> Role:
    role = next((role for role in roles_of(alias) if role.is_reader), None)
    if role is None or not (role.is_trusted or role.password):
        variable = role.variable if role else f"{alias.upper()}_ANALYST_PASSWORD"
        raise AnswerError(
            f"Questions about {alias} are run as its analyst role, which has no password: set "
            f"{variable}, and run: python manage.py init_all"
        )
    return role
