"""What to do about an error of the connection: its reason in plain words and the next step."""

import re

from django.db import Error
from psycopg2 import errorcodes

from marketplace.exceptions import DiskFullError

#: What libpq says → what the user can do. The first that matches counts.
_STEPS = (
    (r'database "(?P<name>[^"]+)" does not exist', "Create it: python manage.py db_create."),
    (r"column .* does not exist", "See what differs: python manage.py db_verify."),
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
        r"Connection refused|No such file or directory|timeout expired|timed out|No route",
        "Start the server, or correct DB_HOST and DB_PORT, or the database's URL.",
    ),
    (r"too many clients|remaining connection slots", "Close idle clients, or raise the limit."),
    (r"starting up|shutting down|in recovery", "Wait a moment and run it again."),
    (
        r"connection already closed|closed the connection|administrator command",
        "The server stopped or restarted. Run it again: what was committed stays.",
    ),
    (
        r"must be owner",
        "Run it as the owner, or as the superuser: name that role in DB_USER, or in the "
        "database's URL, for this command.",
    ),
    (
        r'permission denied for database "postgres"',
        "Only administrators may connect to it. If the role is an administrator's, run as a "
        "superuser: GRANT CONNECT ON DATABASE postgres TO …;",
    ),
    (
        r"too many connections for (role|database)",
        "Close idle connections of that role or database, or see its limit: python manage.py "
        "db_grants.",
    ),
    (
        r"permission denied",
        "Use a role that may, such as the owner. One that is not ours gets access by "
        "python manage.py db_grants ROLE --write.",
    ),
    (r"pg_hba.conf|SSL", "Check the server's access rules, and sslmode in the database's URL."),
    (
        r"shared memory segment",
        "The server's memory for parallel queries (/dev/shm, POSTGRES_SHM) is full, not its disk: "
        "run it again, or raise that.",
    ),
    (
        r"No space left on device",
        'Make room on the server\'s disk: docs/operations.md, "Disk full". Then run it again.',
    ),
    (r"read-only transaction", "The server is a standby or read-only: use its primary."),
)


def error_code(error: Error) -> str | None:
    """Return the error's SQLSTATE, or None if the server did not report one."""
    return getattr(error.__cause__, "pgcode", None)


def is_disk_full(error: Exception) -> bool:
    """Return whether an error says that the server's disk is full."""
    if isinstance(error, DiskFullError):
        return True
    message = str(error)
    if "shared memory segment" in message:
        return False
    code = getattr(error.__cause__, "pgcode", None)
    return code == errorcodes.DISK_FULL or "No space left on device" in message


# Of a session that the server ended, and of a database that was exchanged while a session began.
_CUT = re.compile(
    "connection already closed|closed the connection|administrator command|"
    "just been dropped or renamed"
)


def is_disconnect(error: BaseException) -> bool:
    """Return whether the server ended a session, as a restore does: a new one may work."""
    return _CUT.search(str(error)) is not None


def next_step(error: Exception) -> str | None:
    """Return what the user can do about an error, where it is known."""
    message = str(error)
    return next((step for pattern, step in _STEPS if re.search(pattern, message)), None)


def explain(error: Exception) -> str:
    """Return the error's first line, and the next step where it is known."""
    message = str(error).strip()
    if not isinstance(error, Error):
        return message
    first = message.splitlines()[0] if message else type(error).__name__
    step = next_step(error)
    return f"{first}. {step}" if step else first
