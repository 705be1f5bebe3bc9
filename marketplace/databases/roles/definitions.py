"""The definition of each database's roles: names, privileges, settings and limits."""

import os
import re
from hashlib import sha256
from typing import NamedTuple

from django.db import connections

from marketplace.databases.server import MAINTENANCE_DATABASE
from marketplace.exceptions import MarketplaceError
from marketplace.registry import ALIASES, CONTROL

OWNER = "owner"

#: PostgreSQL's name for all roles.
PUBLIC = "PUBLIC"

#: Advisory lock functions: these locks share memory with all other locks of the server.
LOCK_FUNCTIONS = r"pg_(?:try_)?advisory_(?:xact_)?lock(?:_shared)?"

#: Exports an MVCC snapshot, a file on the server, for a dump by several processes.
SNAPSHOT_FUNCTION = "pg_export_snapshot"

#: System functions that owners and loaders need, but analysts do not.
_WRITERS_FUNCTIONS = f"{LOCK_FUNCTIONS}|{SNAPSHOT_FUNCTION}"

#: Functions that can fill the disk, with large objects or the write-ahead log.
FILLING_FUNCTIONS = (
    r"lo_creat|lo_create|lo_from_bytea|lo_put|lo_truncate|lo_truncate64|lowrite"
    r"|pg_logical_emit_message"
)

#: Parameters that require a superuser, or a role with the SET privilege on them.
BOUNDS = ("temp_file_limit", "log_min_messages")

#: Maximum shares of the server's connections: of all analysts together, and of one database. The
#: rest remains available to the others.
_ANALYSTS_SHARE = 1 / 3
DATABASE_SHARE = 3 / 4

#: PostgreSQL's units in seconds; a statement_timeout without a unit is in milliseconds.
_SECONDS = {"us": 1e-6, "ms": 1e-3, "": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86400}

#: Maximum length of an identifier in bytes.
_MAX_NAME = 63

_CHANGES = ("SELECT", "INSERT", "UPDATE", "DELETE")


class Role(NamedTuple):
    """A role of one database. The owner owns the tables and does not need privileges on them."""

    name: str
    #: The environment variable with the password, and its value.
    variable: str
    password: str
    #: Whether it may log in without a password, because the server has a private socket only.
    is_trusted: bool
    database: tuple[str, ...] = ()
    schema: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    sequences: tuple[str, ...] = ()
    #: Whether it may call the SECURITY DEFINER functions that create partitions.
    may_create: bool = False
    #: Whether it may take advisory locks, export snapshots, and connect to MAINTENANCE_DATABASE.
    may_lock: bool = False
    #: Settings of the role's sessions.
    settings: tuple[tuple[str, str], ...] = ()
    #: Settings that the role itself cannot change, as they are superuser parameters.
    bounds: tuple[tuple[str, str], ...] = ()
    #: Maximum number of concurrent connections, if that does not exceed the role's share.
    connections: int | None = None
    #: Maximum share of the server's connections.
    share: float = 1 / 2

    @property
    def is_reader(self) -> bool:
        """Return whether the role may only read tables."""
        return self.tables == ("SELECT",)

    def connection_limit(self, available: int) -> int:
        """Return the maximum number of concurrent connections.

        :param available: number of the server's connections that are not reserved for superusers
        """
        maximum = max(1, int(available * self.share))
        return maximum if self.connections is None else min(self.connections, maximum)

    def privileges_on(self, kind: str, name: str, alias: str) -> set[str]:
        """Return the privileges that the definition gives the role on an object."""
        if kind == "FUNCTION":
            # Functions with this prefix only add partitions. Others may drop or lock tables.
            creates = name.startswith(f"{alias}_create_")
            return {"EXECUTE"} if self.may_create and creates else set()
        if kind == "SYSTEM FUNCTION":
            is_needed = self.may_lock and re.fullmatch(_WRITERS_FUNCTIONS, name)
            return {"EXECUTE"} if is_needed else set()
        if kind == "SYSTEM DATABASE":
            return {"CONNECT"} if self.may_lock and name == MAINTENANCE_DATABASE else set()
        if kind == "TABLE" and name == "django_migrations":
            # Writing to this table decides which migrations are run.
            return {"SELECT"} & set(self.tables)
        kinds = {
            "DATABASE": self.database,
            "SCHEMA": self.schema,
            "TABLE": self.tables,
            "SEQUENCE": self.sequences,
            "TABLES": self.tables,
            "SEQUENCES": self.sequences,
            "ALL TABLES": self.tables,
            "ALL SEQUENCES": self.sequences,
        }
        return set(kinds[kind])


def roles_of(alias: str) -> tuple[Role, ...]:
    """Return the roles of a database, the owner first.

    Their names derive from the database's name in the settings, so that several installations can
    share a server.
    """
    name = str(connections[alias].settings_dict["NAME"])
    is_trusted = not connections[alias].settings_dict["HOST"]

    def make(kind: str, password: tuple[str, str]) -> Role:
        variable, value = password
        return Role(_name(name, kind), variable, value, is_trusted)

    owner, writer, *analyst = _passwords(alias)
    # Foreign keys are checked with the privileges of the table's owner, which is not the owner of
    # the schema in a copy of the database.
    roles = [
        make(OWNER, owner)._replace(schema=("CREATE", "USAGE"), may_lock=True),
        _writer(make("loader" if analyst else "app", writer)),
    ]
    return (*roles, *(_analyst(make("analyst", password)) for password in analyst))


def owner_of(alias: str) -> str:
    """Return the name of the role that owns the database and its objects."""
    return roles_of(alias)[0].name


def foreign_roles(alias: str) -> set[str]:
    """Return the role names of the other databases."""
    others = {role.name for other in (CONTROL, *ALIASES) for role in roles_of(other)}
    return others - {role.name for role in roles_of(alias)}


def analysts() -> set[str]:
    """Return the names of the read-only roles of all databases."""
    return {role.name for alias in ALIASES for role in roles_of(alias) if role.is_reader}


def database_connection_limit(available: int) -> int:
    """Return the maximum number of concurrent connections to one database."""
    return max(1, int(available * DATABASE_SHARE))


def statement_timeout() -> str:
    """Return the statement_timeout of analysts, as PostgreSQL writes it."""
    return os.environ.get("ANALYST_STATEMENT_TIMEOUT") or "5min"


def statement_timeout_seconds() -> float:
    """Return the statement_timeout of analysts in seconds; 0 if it is unset or invalid."""
    parts = re.fullmatch(r"(\d+)\s*(us|ms|s|min|h|d|)", statement_timeout().strip())
    return int(parts[1]) * _SECONDS[parts[2]] if parts else 0.0


def _writer(role: Role) -> Role:
    return role._replace(
        # Loading stages batches in temporary tables.
        database=("CONNECT", "TEMPORARY"),
        schema=("USAGE",),
        tables=_CHANGES,
        sequences=("USAGE", "SELECT"),
        may_create=True,
        # Loads take advisory locks: for the run, for new months.
        may_lock=True,
    )


def _analyst(role: Role) -> Role:
    # No temporary tables: they could fill the disk that loading writes to.
    return role._replace(
        database=("CONNECT",),
        schema=("USAGE",),
        tables=("SELECT",),
        settings=(
            ("default_transaction_read_only", "on"),
            ("statement_timeout", statement_timeout()),
            # An idle transaction prevents vacuum from removing dead rows.
            ("idle_in_transaction_session_timeout", "10min"),
        ),
        bounds=(
            # Per session: sorts that exceed work_mem spill to the disk that holds the tables.
            ("temp_file_limit", os.environ.get("ANALYST_TEMP_FILE_LIMIT") or "5GB"),
            # A message or an error can write a gigabyte to the server's log.
            ("log_min_messages", "fatal"),
        ),
        connections=_analyst_connections(),
        share=_ANALYSTS_SHARE / len(ALIASES),
    )


def _analyst_connections() -> int:
    """Return the value of ANALYST_CONNECTIONS.

    :raises MarketplaceError: if it is not a positive number
    """
    text = os.environ.get("ANALYST_CONNECTIONS") or "10"
    if not text.isdecimal() or int(text) < 1:
        raise MarketplaceError(
            f"ANALYST_CONNECTIONS is {text}. Set it to the number of connections that an analyst "
            "role may have at once: 1 or more."
        )
    return int(text)


def _passwords(alias: str) -> list[tuple[str, str]]:
    """Return the password variables and their values.

    They are not part of the settings, because serving and loading do not need them.
    """
    if alias == CONTROL:
        # No analyst: this database contains accounts and sessions only.
        return [
            ("MARKETPLACE_OWNER_PASSWORD", os.environ.get("MARKETPLACE_OWNER_PASSWORD", "")),
            ("MARKETPLACE_APP_PASSWORD", os.environ.get("MARKETPLACE_APP_PASSWORD", "")),
        ]
    values = {
        "OWNER": os.environ.get(f"{alias.upper()}_OWNER_PASSWORD", ""),
        "LOADER": os.environ.get(f"{alias.upper()}_LOADER_PASSWORD", ""),
        "ANALYST": os.environ.get(f"{alias.upper()}_ANALYST_PASSWORD", ""),
    }
    return [(f"{alias.upper()}_{kind}_PASSWORD", value) for kind, value in values.items()]


def _name(database: str, kind: str) -> str:
    """Return the role's name; a long database name is shortened and gets a digest."""
    name = f"{database}_{kind}"
    if len(name.encode()) <= _MAX_NAME:
        return name
    digest = sha256(database.encode()).hexdigest()[:8]
    length = _MAX_NAME - len(f"_{digest}_{kind}")
    return f"{database.encode()[:length].decode(errors='ignore')}_{digest}_{kind}"
