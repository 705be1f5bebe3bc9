"""Creating, describing, swapping and dropping databases.

These functions connect to the maintenance database, so that they do not use the live one.
"""

import csv
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

from django.db import Error, connections
from django.db.backends.utils import CursorWrapper
from psycopg2.sql import SQL, Composable, Identifier, Literal

from marketplace.databases.server import MAINTENANCE_DATABASE, connect_to_database
from marketplace.exceptions import BackupError
from marketplace.postgresql import locks
from marketplace.postgresql.errors import first_line

#: The start of the comment on a database that a restore replaced.
REPLACED = "marketplace: replaced by "

# Switches off all timeouts, which would end sessions that wait for hours.
_DISABLE_TIMEOUTS = """
SELECT set_config(name, '0', false) FROM pg_settings
WHERE name IN (
    'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout',
    'idle_session_timeout', 'transaction_timeout'
)
"""

_ATTRIBUTES = """
SELECT
    pg_encoding_to_char(d.encoding), d.datcollate, d.datctype, d.datlocprovider,
    coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),
    pg_get_userbyid(d.datdba), d.datconnlimit, shobj_description(d.oid, 'pg_database'),
    d.datacl IS NOT NULL, d.oid::bigint
FROM pg_database AS d WHERE d.datname = %(name)s
"""

_GRANTS = """
SELECT coalesce(r.rolname, ''), a.privilege_type, a.is_grantable
FROM pg_database AS d CROSS JOIN aclexplode(d.datacl) AS a LEFT JOIN pg_roles AS r
    ON r.oid = a.grantee
WHERE d.oid = %(oid)s ORDER BY 1, 2
"""

_SETTINGS = """
SELECT coalesce(r.rolname, ''), split_part(s.setting, '=', 1),
    substr(s.setting, strpos(s.setting, '=') + 1)
FROM pg_db_role_setting AS d CROSS JOIN unnest(d.setconfig) AS s (setting) LEFT JOIN pg_roles AS r
    ON r.oid = d.setrole
WHERE d.setdatabase = %(oid)s ORDER BY 1, 2
"""

# The values of these settings are lists of names, which are quoted one by one, as in pg_dump.
_LISTS = frozenset(
    {
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "shared_preload_libraries",
        "temp_tablespaces",
        "unix_socket_directories",
    }
)

_PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}

_SEQUENCES = """
SELECT schemaname, sequencename, last_value FROM pg_sequences WHERE last_value IS NOT NULL
"""

_ADVANCE = """
SELECT setval(format('%%I.%%I', schemaname, sequencename)::regclass, %(position)s)
FROM pg_sequences
WHERE
    schemaname = %(schema)s AND sequencename = %(name)s
    AND coalesce(last_value < %(position)s, true)
"""

_END_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = ANY(%(names)s) AND pid <> pg_backend_pid()
"""

#: Seconds between two attempts to end the sessions that block a swap.
_POLL_INTERVAL = 0.05

_LOCAL = ("127.0.0.1", "::1", "localhost")


@contextmanager
def session(alias: str, name: str = MAINTENANCE_DATABASE) -> Iterator[CursorWrapper]:
    """Open a separate connection to a database on the alias's server, as the alias's user.

    :raises BackupError: if the alias connects through a pooler
    """
    if connections[alias].settings_dict["DISABLE_SERVER_SIDE_CURSORS"]:
        raise BackupError(
            "The database is reached through a pooler (DISABLE_SERVER_SIDE_CURSORS), where pg_dump "
            "and pg_restore would leave their settings in shared sessions. Set DB_HOST and "
            "DB_PORT, or the variables of this database, to the server itself, and set "
            "DISABLE_SERVER_SIDE_CURSORS=false."
        )
    with connect_to_database(alias, name) as cursor:
        cursor.execute(_DISABLE_TIMEOUTS)
        yield cursor


def lock_for(cursor: CursorWrapper, key: str) -> None:
    """Hold the server's lock of an operation until the cursor's session ends.

    :raises BackupError: if another process holds the lock
    """
    if not locks.try_lock(cursor, key):
        operation = key.removeprefix("marketplace ")
        raise BackupError(
            f"Another {operation} is running. Wait for it to end, and run this again."
        )


def names(cursor: CursorWrapper) -> list[str]:
    """Return the names of the server's databases."""
    cursor.execute("SELECT datname FROM pg_database ORDER BY datname")
    return [name for (name,) in cursor.fetchall()]


def attributes(cursor: CursorWrapper, name: str) -> dict[str, Any]:
    """Return encoding, locale, owner, grants and settings of a database, with values of JSON types.

    Return an empty dict if the database does not exist.
    """
    cursor.execute(_ATTRIBUTES, {"name": name})
    row = cursor.fetchone()
    if row is None:
        return {}
    keys = ("encoding", "collate", "ctype", "provider", "locale", "owner", "limit", "comment")
    values: dict[str, Any] = dict(zip(keys, row[:8], strict=True))
    has_grants, oid = row[8:]
    cursor.execute(_GRANTS, {"oid": oid})
    values["grants"] = [list(grant) for grant in cursor.fetchall()] if has_grants else None
    cursor.execute(_SETTINGS, {"oid": oid})
    return values | {"settings": [list(setting) for setting in cursor.fetchall()]}


def create(cursor: CursorWrapper, name: str, attributes: dict[str, Any]) -> None:
    """Create an empty database with an encoding, locale and owner, see `attributes`."""
    provider = _PROVIDERS[attributes["provider"]]
    parts = [
        SQL(
            "CREATE DATABASE {} TEMPLATE template0 OWNER {} ENCODING {} LC_COLLATE {} LC_CTYPE {}"
        ).format(
            Identifier(name),
            Identifier(attributes["owner"]),
            *(Literal(attributes[key]) for key in ("encoding", "collate", "ctype")),
        ),
        SQL("LOCALE_PROVIDER {}").format(Identifier(provider)),
    ]
    if provider != "libc":
        keyword = SQL("ICU_LOCALE {}" if provider == "icu" else "BUILTIN_LOCALE {}")
        parts.append(keyword.format(Literal(attributes["locale"])))
    cursor.execute(SQL(" ").join(parts))
    # Other roles cannot connect until `apply_settings` grants the privileges.
    cursor.execute(SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(Identifier(name)))


def drop(cursor: CursorWrapper, name: str) -> None:
    """Drop a database, ending its sessions."""
    cursor.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


def apply_settings(cursor: CursorWrapper, name: str, attributes: dict[str, Any]) -> None:
    """Set grants, settings, connection limit and comment of a database, which no dump contains.

    :param attributes: see `attributes`
    """
    database = Identifier(name)
    limit, comment = Literal(attributes["limit"]), Literal(attributes["comment"])
    statements: list[Composable] = [
        SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(database, limit),
        SQL("COMMENT ON DATABASE {} IS {}").format(database, comment),
    ]
    if attributes["grants"] is not None:
        for role in (SQL("PUBLIC"), Identifier(attributes["owner"])):
            statements.append(SQL("REVOKE ALL ON DATABASE {} FROM {}").format(database, role))
        statements += [_grant(database, *grant) for grant in attributes["grants"]]
    statements += [_setting(database, *setting) for setting in attributes["settings"]]
    for statement in statements:
        cursor.execute(statement)


def swap(cursor: CursorWrapper, alias: str, new: str, live: str, old: str, comment: str) -> None:
    """Rename the live database to `old` and the new one to `live`, in one transaction.

    The sessions of both databases are terminated. A failed or interrupted swap has no effect.

    :param comment: the new comment on the replaced database
    :raises BackupError: if a session cannot be terminated
    """
    done = Event()
    keeper = Thread(target=_keep_empty, args=(alias, [new, live], done), daemon=True)
    keeper.start()
    try:
        # The first ALTER takes a lock that blocks new sessions, so only existing sessions must be
        # terminated. After the commit, new sessions find the other database or reconnect.
        cursor.execute("BEGIN")
        cursor.execute("SET LOCAL lock_timeout = '20s'")
        if live in names(cursor):
            live_comment = attributes(cursor, live)["comment"]
            _rename(cursor, live, old)
            cursor.execute(_comment(old, comment))
            cursor.execute(_comment(new, live_comment))
        _rename(cursor, new, live)
        cursor.execute("COMMIT")
    except Error as error:
        cursor.execute("ROLLBACK")
        raise BackupError(
            f"{live} could not be replaced and is unchanged: {first_line(error)}. End the "
            "sessions that use it (pg_stat_activity lists them), and run this again."
        ) from error
    finally:
        done.set()
        keeper.join()


def advance_sequences(alias: str, name: str, source: str) -> None:
    """Advance the sequences of a database to those of the source database.

    Ids that the source has assigned, such as those of runs, appear in logs and messages. They must
    not be assigned again.
    """
    with session(alias, source) as cursor:
        cursor.execute(_SEQUENCES)
        positions = cursor.fetchall()
    with session(alias, name) as cursor:
        for schema, sequence, position in positions:
            values = {"schema": schema, "name": sequence, "position": position}
            cursor.execute(_ADVANCE, values)


def replaced(cursor: CursorWrapper) -> dict[str, str]:
    """Return name → comment of the databases that restores have replaced."""
    cursor.execute(
        "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database ORDER BY 1"
    )
    return {name: text for name, text in cursor.fetchall() if (text or "").startswith(REPLACED)}


def free_bytes(cursor: CursorWrapper, alias: str) -> int | None:
    """Return the free bytes on the server's disk; None if the server is on another machine."""
    host = connections[alias].settings_dict["HOST"]
    cursor.execute("SELECT setting FROM pg_settings WHERE name = 'data_directory'")
    row = cursor.fetchone()
    is_local = not host or host.startswith("/") or host in _LOCAL
    if row is None or not is_local or not Path(row[0], "PG_VERSION").exists():
        return None
    return shutil.disk_usage(row[0]).free


def max_wal_bytes(cursor: CursorWrapper) -> int:
    """Return the server's max_wal_size."""
    cursor.execute("SELECT pg_size_bytes(current_setting('max_wal_size'))")
    return int(cursor.fetchone()[0])


def missing_roles(cursor: CursorWrapper, roles: list[str]) -> list[str]:
    """Return the roles that do not exist on the server."""
    cursor.execute("SELECT rolname FROM pg_roles")
    existing = {name for (name,) in cursor.fetchall()}
    return sorted(set(roles) - existing)


def _keep_empty(alias: str, databases: list[str], done: Event) -> None:
    """Terminate the sessions of the databases, as far as permitted, until `done` is set."""
    try:
        with session(alias) as cursor:
            while not done.is_set():
                cursor.execute(_END_SESSIONS, {"names": databases})
                done.wait(_POLL_INTERVAL)
    except Error:
        # The swap fails if sessions remain, and reports it.
        return


def _rename(cursor: CursorWrapper, name: str, new: str) -> None:
    statement = SQL("ALTER DATABASE {} RENAME TO {}")
    cursor.execute(statement.format(Identifier(name), Identifier(new)))


def _comment(name: str, text: str | None) -> Composable:
    return SQL("COMMENT ON DATABASE {} IS {}").format(Identifier(name), Literal(text))


def _grant(database: Identifier, role: str, privilege: str, is_grantable: bool) -> Composable:
    return SQL("GRANT {} ON DATABASE {} TO {}{}").format(
        SQL(privilege),
        database,
        Identifier(role) if role else SQL("PUBLIC"),
        SQL(" WITH GRANT OPTION" if is_grantable else ""),
    )


def _setting(database: Identifier, role: str, name: str, value: str) -> Composable:
    of_role = SQL("ROLE {} IN ").format(Identifier(role)) if role else SQL("")
    items = next(csv.reader([value], skipinitialspace=True)) if name in _LISTS else [value]
    return SQL("ALTER {}DATABASE {} SET {} TO {}").format(
        of_role,
        database,
        # The name of an extension's setting has two parts.
        Identifier(name) if "." not in name else SQL(".").join(map(Identifier, name.split("."))),
        SQL(", ").join(map(Literal, items)),
    )
