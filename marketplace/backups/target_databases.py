"""Databases beside the live one: create, describe, exchange and drop them.

Everything here is done from the maintenance database, so that the live one is not touched.
"""

import csv
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

from django.db import Error, connections
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.utils import CursorWrapper
from psycopg2.sql import SQL, Composable, Identifier, Literal

from marketplace.exceptions import BackupError

#: Every server has this database.
MAINTENANCE = "postgres"

#: The comment of a database that a restore replaced starts so.
REPLACED = "marketplace: replaced by "

# What would end a session that waits for hours is off.
_PATIENT = """
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

# Their values are lists of names, which are quoted one by one: pg_dump knows them in the same way.
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

#: Seconds between two looks for sessions that are in the way of an exchange.
_PAUSE = 0.05

_LOCAL = ("127.0.0.1", "::1", "localhost")


@contextmanager
def session(alias: str, name: str = MAINTENANCE) -> Iterator[CursorWrapper]:
    """Connect to a database of the alias's server as the alias's user, on a connection apart.

    :raises BackupError: if there is a pooler between
    """
    if connections[alias].settings_dict["DISABLE_SERVER_SIDE_CURSORS"]:
        raise BackupError(
            "It is reached through a pooler (DISABLE_SERVER_SIDE_CURSORS), in whose sessions "
            "pg_dump and pg_restore would leave their settings for others. Name the server itself "
            "by DB_HOST and DB_PORT, or the database's own, and set "
            "DISABLE_SERVER_SIDE_CURSORS=false."
        )
    # Under its own alias django.contrib.postgres would look for types in the alias's database.
    connection = connections[alias].copy(NO_DB_ALIAS)
    connection.settings_dict["NAME"] = name
    try:
        with connection.cursor() as cursor:
            cursor.execute(_PATIENT)
            yield cursor
    finally:
        connection.close()


def take_turn(cursor: CursorWrapper, purpose: str) -> None:
    """Be the only process with this purpose on the server, until the cursor's session ends.

    :raises BackupError: if another process is
    """
    query = "SELECT pg_try_advisory_lock(hashtextextended(%(purpose)s, 0))"
    cursor.execute(query, {"purpose": f"marketplace {purpose}"})
    if cursor.fetchone() != (True,):
        raise BackupError(f"Another {purpose} is at work. Wait for it to end, and run this again.")


def names(cursor: CursorWrapper) -> list[str]:
    """Return the names of the server's databases."""
    cursor.execute("SELECT datname FROM pg_database ORDER BY datname")
    return [name for (name,) in cursor.fetchall()]


def attributes(cursor: CursorWrapper, name: str) -> dict[str, Any]:
    """Return what a database is apart from its content, as JSON can hold it; empty if absent."""
    cursor.execute(_ATTRIBUTES, {"name": name})
    row = cursor.fetchone()
    if row is None:
        return {}
    keys = ("encoding", "collate", "ctype", "provider", "locale", "owner", "limit", "comment")
    told: dict[str, Any] = dict(zip(keys, row[:8], strict=True))
    is_granted, oid = row[8:]
    cursor.execute(_GRANTS, {"oid": oid})
    told["grants"] = [list(grant) for grant in cursor.fetchall()] if is_granted else None
    cursor.execute(_SETTINGS, {"oid": oid})
    return told | {"settings": [list(setting) for setting in cursor.fetchall()]}


def create(cursor: CursorWrapper, name: str, told: dict[str, Any]) -> None:
    """Create an empty database of the same encoding, locale and owner."""
    provider = _PROVIDERS[told["provider"]]
    parts = [
        SQL(
            "CREATE DATABASE {} TEMPLATE template0 OWNER {} ENCODING {} LC_COLLATE {} LC_CTYPE {}"
        ).format(
            Identifier(name),
            Identifier(told["owner"]),
            *(Literal(told[key]) for key in ("encoding", "collate", "ctype")),
        ),
        SQL("LOCALE_PROVIDER {}").format(Identifier(provider)),
    ]
    if provider != "libc":
        keyword = SQL("ICU_LOCALE {}" if provider == "icu" else "BUILTIN_LOCALE {}")
        parts.append(keyword.format(Literal(told["locale"])))
    cursor.execute(SQL(" ").join(parts))
    # Until `dress` gives it the rights of the live one, nobody else works in it.
    cursor.execute(SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(Identifier(name)))


def drop(cursor: CursorWrapper, name: str) -> None:
    """Drop a database, ending its sessions."""
    cursor.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))


def dress(cursor: CursorWrapper, name: str, told: dict[str, Any]) -> None:
    """Give a database grants, settings, connection limit and comment, in place of its own.

    They are not in a dump.
    """
    database = Identifier(name)
    statements: list[Composable] = [
        SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(database, Literal(told["limit"])),
        SQL("COMMENT ON DATABASE {} IS {}").format(database, Literal(told["comment"])),
    ]
    if told["grants"] is not None:
        for role in (SQL("PUBLIC"), Identifier(told["owner"])):
            statements.append(SQL("REVOKE ALL ON DATABASE {} FROM {}").format(database, role))
        statements += [_grant(database, *grant) for grant in told["grants"]]
    statements += [_setting(database, *setting) for setting in told["settings"]]
    for statement in statements:
        cursor.execute(statement)


def exchange(
    cursor: CursorWrapper, alias: str, new: str, live: str, old: str, comment: str
) -> None:
    """Give the live database's name to the new one, in one moment; the live one becomes `old`.

    Sessions of both are ended. If it fails, or is killed, nothing has changed.

    :param comment: of the database that is replaced
    :raises BackupError: if a session cannot be ended
    """
    done = Event()
    keeper = Thread(target=_keep_empty, args=(alias, [new, live], done), daemon=True)
    keeper.start()
    try:
        # The first ALTER takes a lock for which new sessions wait, so that ending those that are
        # there is enough. After the commit they find the other database, or have to reconnect.
        cursor.execute("BEGIN")
        cursor.execute("SET LOCAL lock_timeout = '20s'")
        if live in names(cursor):
            told = attributes(cursor, live)["comment"]
            _rename(cursor, live, old)
            cursor.execute(_comment(old, comment))
            cursor.execute(_comment(new, told))
        _rename(cursor, new, live)
        cursor.execute("COMMIT")
    except Error as error:
        cursor.execute("ROLLBACK")
        raise BackupError(
            f"{live} could not be exchanged, and is as it was: {str(error).splitlines()[0]}. End "
            "what uses it (pg_stat_activity lists it), and run this again."
        ) from error
    finally:
        done.set()
        keeper.join()


def advance_sequences(alias: str, name: str, source: str) -> None:
    """Move the sequences of a database on to where those of another one are.

    Ids that the other has given out, such as those of runs, are in logs and messages: they must not
    be given to something else.
    """
    with session(alias, source) as cursor:
        cursor.execute(_SEQUENCES)
        positions = cursor.fetchall()
    with session(alias, name) as cursor:
        for schema, sequence, position in positions:
            values = {"schema": schema, "name": sequence, "position": position}
            cursor.execute(_ADVANCE, values)


def replaced(cursor: CursorWrapper) -> dict[str, str]:
    """Return the databases that restores have replaced, with their comments."""
    cursor.execute(
        "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database ORDER BY 1"
    )
    return {name: text for name, text in cursor.fetchall() if (text or "").startswith(REPLACED)}


def free_bytes(cursor: CursorWrapper, alias: str) -> int | None:
    """Return the room on the server's disk; None where it cannot be seen from here."""
    host = connections[alias].settings_dict["HOST"]
    cursor.execute("SELECT setting FROM pg_settings WHERE name = 'data_directory'")
    row = cursor.fetchone()
    is_here = not host or host.startswith("/") or host in _LOCAL
    if row is None or not is_here or not Path(row[0], "PG_VERSION").exists():
        return None
    return shutil.disk_usage(row[0]).free


def log_bytes(cursor: CursorWrapper) -> int:
    """Return how large the server lets its log grow."""
    cursor.execute("SELECT pg_size_bytes(current_setting('max_wal_size'))")
    return int(cursor.fetchone()[0])


def missing_roles(cursor: CursorWrapper, roles: list[str]) -> list[str]:
    """Return those of the roles that the server lacks."""
    cursor.execute("SELECT rolname FROM pg_roles")
    known = {name for (name,) in cursor.fetchall()}
    return sorted(set(roles) - known)


def _keep_empty(alias: str, databases: list[str], done: Event) -> None:
    """End the databases' sessions until it is done, as far as that is allowed."""
    try:
        with session(alias) as cursor:
            while not done.is_set():
                cursor.execute(_END_SESSIONS, {"names": databases})
                done.wait(_PAUSE)
    except Error:
        # What could not be ended is in the way of the exchange, which says so.
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
        # A setting of an extension has two names.
        Identifier(name) if "." not in name else SQL(".").join(map(Identifier, name.split("."))),
        SQL(", ").join(map(Literal, items)),
    )
