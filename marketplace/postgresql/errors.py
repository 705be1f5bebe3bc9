"""Explanations of database errors: their kind and the next step for the user."""

import re

from django.db import Error
from psycopg2 import errorcodes

from marketplace.exceptions import DiskFullError

#: Pattern of an error message → next step for the user. The first match is used.
_STEPS = (
    (r'database "(?P<name>[^"]+)" does not exist', "Create it: python manage.py db_create."),
    (r"column .* does not exist", "Check the database's migrations: python manage.py db_status."),
    (r'relation "[^"]+" does not exist', "Create the tables: python manage.py init_all."),
    (
        r"password authentication failed|no password supplied|role .* does not exist",
        "Set DB_USER and DB_PASSWORD, or the database's URL, in the environment or .env.",
    ),
    (
        r"could not translate host name|Name or service not known",
        "Check DB_HOST, or the host of the database's URL.",
    ),
    (
        r"Connection refused|No such file or directory",
        "Start the server, or correct DB_HOST and DB_PORT, or the database's URL.",
    ),
    (
        r"timeout expired|timed out|No route",
        "Check that the server runs and can be reached, or correct DB_HOST and DB_PORT, or the "
        "database's URL.",
    ),
    (
        r"too many clients|remaining connection slots",
        "Close idle connections, or raise max_connections.",
    ),
    (r"starting up|shutting down|in recovery", "Wait a moment and run this again."),
    (
        r"connection already closed|closed the connection|administrator command",
        "The server or the session was ended. Run this again: committed data is kept.",
    ),
    (
        r"must be owner",
        "Run this as the owner or a superuser: set that role in DB_USER, or in the database's "
        "URL, for this command.",
    ),
    (
        r'permission denied for database "postgres"',
        "Only administrators may connect to this database. If the role belongs to an "
        "administrator, run as a superuser: GRANT CONNECT ON DATABASE postgres TO …;",
    ),
    (
        r"too many connections for (role|database)",
        "Close idle connections of that role or database, or check its limit: python manage.py "
        "db_grants.",
    ),
    (
        r"permission denied",
        "Use a role with the privilege, such as the owner. To grant access to another role: "
        "python manage.py db_grants ROLE --write --database ALIAS.",
    ),
    (r"pg_hba.conf|SSL", "Check the server's access rules, and sslmode in the database's URL."),
    (
        r"shared memory segment",
        "The server's shared memory for parallel queries (/dev/shm), not its disk, is full: run "
        "this again, or raise POSTGRES_SHM.",
    ),
    (
        r"No space left on device",
        'Free space on the server\'s disk: docs/operations.md, "Disk full". Then run this again.',
    ),
    (r"read-only transaction", "The server is a standby or read-only: connect to the primary."),
)


def error_code(error: Error) -> str | None:
    """Return the error's SQLSTATE, or None if the server did not report one."""
    return getattr(error.__cause__, "pgcode", None)


def is_disk_full(error: Exception) -> bool:
    """Return whether the error reports a full disk of the server."""
    if isinstance(error, DiskFullError):
        return True
    message = str(error)
    if "shared memory segment" in message:
        return False
    code = getattr(error.__cause__, "pgcode", None)
    return code == errorcodes.DISK_FULL or "No space left on device" in message


# Messages of a session that the server ended, and of a database that was replaced while connecting.
_DISCONNECT = re.compile(
    "connection already closed|closed the connection|administrator command|"
    "just been dropped or renamed"
)


def is_disconnect(error: BaseException) -> bool:
    """Return whether the server ended the session, as a restore does: a new one may succeed."""
    return _DISCONNECT.search(str(error)) is not None


def next_step(error: Exception) -> str | None:
    """Return the next step for the user, or None if the error is unknown."""
    message = str(error)
    return next((step for pattern, step in _STEPS if re.search(pattern, message)), None)


def explain(error: Exception) -> str:
    """Return the error's first line, and the next step for a known error."""
    message = str(error).strip()
    if not isinstance(error, Error):
        return message
    first = message.splitlines()[0] if message else type(error).__name__
    step = next_step(error)
    return f"{first}. {step}" if step else first
