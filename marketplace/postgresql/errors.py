"""Explanations of database errors: what happened, and the next step for the user."""

import re
from typing import NamedTuple

import psycopg2
from django.db import Error
from psycopg2 import errorcodes

from marketplace.exceptions import DiskFullError


class Remark(NamedTuple):
    """A problem or warning that everybody may see: a code for programs, and a text for display."""

    code: str
    text: str


class _Cause(NamedTuple):
    """A cause of errors, recognized by their message.

    :param step: the next step for the user
    :param remark: the cause without hosts, roles and names of databases
    """

    pattern: str
    step: str = ""
    remark: Remark | None = None


_NO_CONNECTION = Remark("out of connections", "its server has no free connection")
_STARTING = Remark("starting or stopping", "its server is starting or shutting down")
_REJECTED = Remark("login refused", "its server rejects the login")
_SILENT = Remark("silent", "its server did not answer in time")
_UNREACHABLE = Remark("unreachable", "its server does not accept connections")

_START = "Start the server, or correct DB_HOST and DB_PORT, or the database's URL."
_CHECK = (
    "Check that the server runs and can be reached, or correct DB_HOST and DB_PORT, or the "
    "database's URL."
)
_REPEAT = "The server or the session was ended. Run this again: committed data is kept."

#: All known causes. The first whose pattern is in the message is used.
_CAUSES = (
    _Cause(
        r'database "[^"]+" does not exist|no such database',
        "Create it: python manage.py db_create.",
        Remark("missing", "its server does not have it: python manage.py init_all"),
    ),
    _Cause(
        r"column .* does not exist", "Check the database's migrations: python manage.py db_status."
    ),
    _Cause(r'relation "[^"]+" does not exist', "Create the tables: python manage.py init_all."),
    _Cause(
        r"authentication failed|no password supplied|role .* does not exist|SASL",
        "Set DB_USER and DB_PASSWORD, or the database's URL, in the environment or .env.",
        _REJECTED,
    ),
    _Cause(
        r"could not translate host name|Name or service not known",
        "Check DB_HOST, or the host of the database's URL.",
        Remark("unknown host", "the host name of its server cannot be resolved"),
    ),
    _Cause(r"timeout expired|timed out", _CHECK, _SILENT),
    _Cause(r"Connection refused|No such file or directory", _START, _UNREACHABLE),
    _Cause(r"No route|unreachable|cannot connect|login has been failing", _CHECK, _UNREACHABLE),
    _Cause(
        r"too many clients|remaining connection slots|no more connections",
        "Close idle connections, or raise max_connections.",
        _NO_CONNECTION,
    ),
    _Cause(
        r"too many connections",
        "Close idle connections of that role or database, or check its limit: python manage.py "
        "db_grants.",
        _NO_CONNECTION,
    ),
    _Cause(
        r"starting up|shutting down|in recovery", "Wait a moment and run this again.", _STARTING
    ),
    _Cause(r"administrator command", _REPEAT, _STARTING),
    _Cause(r"connection already closed|closed the connection", _REPEAT, _UNREACHABLE),
    _Cause(
        r"must be owner",
        "Run this as the owner or a superuser: set that role in DB_USER, or in the database's "
        "URL, for this command.",
    ),
    _Cause(
        r'permission denied for database "postgres"',
        "Only administrators may connect to this database. If the role belongs to an "
        "administrator, run as a superuser: GRANT CONNECT ON DATABASE postgres TO …;",
    ),
    _Cause(
        r"permission denied",
        "Use a role with the privilege, such as the owner. To grant access to another role: "
        "python manage.py db_grants ROLE --write --database ALIAS.",
    ),
    _Cause(
        r"pg_hba.conf|SSL",
        "Check the server's access rules, and sslmode in the database's URL.",
        _REJECTED,
    ),
    _Cause(
        r"shared memory segment",
        "The server's shared memory for parallel queries (/dev/shm), not its disk, is full: run "
        "this again, or raise POSTGRES_SHM.",
    ),
    _Cause(
        r"No space left on device",
        'Free space on the server\'s disk: docs/operations.md, "Disk full". Then run this again.',
    ),
    _Cause(
        r"read-only transaction", "The server is a standby or read-only: connect to the primary."
    ),
    _Cause(r"timeout", remark=_SILENT),
)


def error_code(error: BaseException) -> str | None:
    """Return the error's SQLSTATE, or None if the server did not report one."""
    return getattr(error, "pgcode", None) or getattr(error.__cause__, "pgcode", None)


def is_disk_full(error: Exception) -> bool:
    """Return whether the error reports a full disk of the server."""
    if isinstance(error, DiskFullError):
        return True
    message = str(error)
    if "shared memory segment" in message:
        return False
    return error_code(error) == errorcodes.DISK_FULL or "No space left on device" in message


# Messages of a session that the server ended, and of a database that was replaced while connecting.
_DISCONNECT = re.compile(
    "connection already closed|closed the connection|administrator command|"
    "just been dropped or renamed"
)


def is_disconnect(error: BaseException) -> bool:
    """Return whether the server ended the session, as a restore does: a new one may succeed."""
    return _DISCONNECT.search(str(error)) is not None


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text: PostgreSQL's message, without hints and context."""
    return str(error).strip().partition("\n")[0]


def explain(error: Exception) -> str:
    """Return the error's first line, and the next step for a known error."""
    if not isinstance(error, Error | psycopg2.Error):
        return str(error).strip()
    first = first_line(error) or type(error).__name__
    step = next_step(error)
    return f"{first}. {step}" if step else first


def next_step(error: Exception) -> str:
    """Return the next step for the user; empty if the error is unknown."""
    cause = _find_cause(error)
    return cause.step if cause else ""


def summarize(error: Exception) -> Remark:
    """Return why a database does not answer, without hosts, roles and names of databases."""
    cause = _find_cause(error)
    if cause and cause.remark:
        return cause.remark
    code = error_code(error)
    return Remark("failed", f"it failed with {code}" if code else "connecting to it fails")


def _find_cause(error: Exception) -> _Cause | None:
    message = str(error)
    return next((cause for cause in _CAUSES if re.search(cause.pattern, message)), None)
