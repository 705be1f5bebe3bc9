"""Which roles a database has, and what each may do there."""

import os
import re
from hashlib import sha256
from typing import NamedTuple

from django.db import connections

from marketplace.databases.server import MAINTENANCE_DATABASE
from marketplace.exceptions import MarketplaceError
from marketplace.registry import ALIASES, CONTROL

OWNER = "owner"

#: What PostgreSQL calls everybody.
PUBLIC = "PUBLIC"

#: Advisory locks, which share their memory with all other locks of the server.
LOCK_FUNCTIONS = r"pg_(?:try_)?advisory_(?:xact_)?lock(?:_shared)?"

#: Exports a snapshot, a file on the server, for a dump by several processes.
SNAPSHOT_FUNCTION = "pg_export_snapshot"

#: Functions that our own roles need, but analysts do not.
_WRITERS_FUNCTIONS = f"{LOCK_FUNCTIONS}|{SNAPSHOT_FUNCTION}"

#: Functions with which anybody could fill the disk: by large objects, and by the write-ahead log.
FILLING_FUNCTIONS = (
    r"lo_creat|lo_create|lo_from_bytea|lo_put|lo_truncate|lo_truncate64|lowrite"
    r"|pg_logical_emit_message"
)

#: Parameters that only a superuser sets, or a role that was granted the privilege.
BOUNDS = ("temp_file_limit", "log_min_messages")

#: The parts of the server's connections that all analysts together, and one database, may take, so
#: that some are always left to the others.
_ANALYSTS_PART = 1 / 3
_DATABASE_PART = 3 / 4

#: Seconds of PostgreSQL's units; a statement_timeout without one is in milliseconds.
_SECONDS = {"us": 1e-6, "ms": 1e-3, "": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86400}

#: Bytes of an identifier.
_MAX_NAME = 63

_CHANGES = ("SELECT", "INSERT", "UPDATE", "DELETE")


class Role(NamedTuple):
    """A role of one database. The owner owns the tables, and needs no privileges on them."""

    name: str
    #: The variable with its password, and what that says.
    variable: str
    password: str
    #: Whether it may log in without a password, as the private socket keeps others out.
    is_trusted: bool
    database: tuple[str, ...] = ()
    schema: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    sequences: tuple[str, ...] = ()
    #: Whether it may call the functions that create something with their owner's rights.
    may_create: bool = False
    #: Whether it may take advisory locks, export snapshots, and connect to MAINTENANCE_DATABASE.
    may_lock: bool = False
    #: Settings of its sessions.
    settings: tuple[tuple[str, str], ...] = ()
    #: Settings that the role cannot change: only a role that may set superusers' parameters can.
    bounds: tuple[tuple[str, str], ...] = ()
    #: Connections that it may have at once, if that is no more than its part of the server's.
    connections: int | None = None
    part: float = 1 / 2

    @property
    def is_reader(self) -> bool:
        """Return whether it only reads."""
        return self.tables == ("SELECT",)

    def limit(self, available: int) -> int:
        """Return how many connections it may have at once, at most.

        :param available: connections of the server that are not reserved for superusers
        """
        share = max(1, int(available * self.part))
        return share if self.connections is None else min(self.connections, share)

    def wanted(self, kind: str, name: str, alias: str) -> set[str]:
        """Return the privileges that the role should have on an object."""
        if kind == "FUNCTION":
            # By their name: what creates a month only adds. Others may drop or lock.
            creates = name.startswith(f"{alias}_create_")
            return {"EXECUTE"} if self.may_create and creates else set()
        if kind == "SYSTEM FUNCTION":
            is_ours = self.may_lock and re.fullmatch(_WRITERS_FUNCTIONS, name)
            return {"EXECUTE"} if is_ours else set()
        if kind == "SYSTEM DATABASE":
            return {"CONNECT"} if self.may_lock and name == MAINTENANCE_DATABASE else set()
        if kind == "TABLE" and name == "django_migrations":
            # Who writes here decides which migrations are run.
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
    """Return the roles of a database, its owner first.

    Their names are made of the database's name in the settings, so that several installations can
    share a server.
    """
    name = str(connections[alias].settings_dict["NAME"])
    is_trusted = not connections[alias].settings_dict["HOST"]

    def make(kind: str, password: tuple[str, str]) -> Role:
        variable, value = password
        return Role(_name(name, kind), variable, value, is_trusted)

    owner, writer, *analyst = _passwords(alias)
    # The schema belongs to whoever owns the database, which of a copy is another: foreign keys are
    # checked with the rights of their table's owner.
    roles = [
        make(OWNER, owner)._replace(schema=("CREATE", "USAGE"), may_lock=True),
        _writer(make("loader" if analyst else "app", writer)),
    ]
    return (*roles, *(_analyst(make("analyst", password)) for password in analyst))


def owner_of(alias: str) -> str:
    """Return the name of the role that owns the database and what is in it."""
    return roles_of(alias)[0].name


def foreign_roles(alias: str) -> set[str]:
    """Return the names of the roles of the other databases."""
    others = {role.name for other in (CONTROL, *ALIASES) for role in roles_of(other)}
    return others - {role.name for role in roles_of(alias)}


def analysts() -> set[str]:
    """Return the names of the roles of all databases that only read."""
    return {role.name for alias in ALIASES for role in roles_of(alias) if role.is_reader}


def database_connection_limit(available: int) -> int:
    """Return how many connections a database may have at once, at most."""
    return max(1, int(available * _DATABASE_PART))


def statement_timeout() -> str:
    """Return the time after which an analyst's statement is canceled, as PostgreSQL writes it."""
    return os.environ.get("ANALYST_STATEMENT_TIMEOUT") or "5min"


def statement_timeout_seconds() -> float:
    """Return the same time in seconds; 0 if there is no limit, or its form is not known here."""
    found = re.fullmatch(r"(\d+)\s*(us|ms|s|min|h|d|)", statement_timeout().strip())
    return int(found[1]) * _SECONDS[found[2]] if found else 0.0


def _writer(role: Role) -> Role:
    return role._replace(
        # Loading stages batches in temporary tables.
        database=("CONNECT", "TEMPORARY"),
        schema=("USAGE",),
        tables=_CHANGES,
        sequences=("USAGE", "SELECT"),
        may_create=True,
        # Loads of a platform take turns.
        may_lock=True,
    )


def _analyst(role: Role) -> Role:
    # No temporary tables: with those a query could fill the disk on which loading writes.
    return role._replace(
        database=("CONNECT",),
        schema=("USAGE",),
        tables=("SELECT",),
        settings=(
            ("default_transaction_read_only", "on"),
            ("statement_timeout", statement_timeout()),
            # A forgotten transaction keeps vacuum from cleaning up behind the loaders.
            ("idle_in_transaction_session_timeout", "10min"),
        ),
        bounds=(
            # Of each session: a sort that outgrows work_mem is written to the disk of the tables.
            ("temp_file_limit", os.environ.get("ANALYST_TEMP_FILE_LIMIT") or "5GB"),
            # A statement can write a gigabyte into the server's log, as a message or an error.
            ("log_min_messages", "fatal"),
        ),
        connections=_analyst_connections(),
        part=_ANALYSTS_PART / len(ALIASES),
    )


def _analyst_connections() -> int:
    """Return ANALYST_CONNECTIONS.

    :raises MarketplaceError: if it is not a number of connections
    """
    text = os.environ.get("ANALYST_CONNECTIONS") or "10"
    if not text.isdecimal() or int(text) < 1:
        raise MarketplaceError(
            f"ANALYST_CONNECTIONS is {text}. Set it to the number of connections that an analyst "
            "role may have at once: 1 or more."
        )
    return int(text)


def _passwords(alias: str) -> list[tuple[str, str]]:
    """Return the variables of the passwords, with their values.

    They are read here and not in the settings: the processes that serve and load do not need them.
    """
    if alias == CONTROL:
        # No analyst: there is nothing here but accounts and sessions.
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
    """Return the role's name; of a long database's name, the start and a digest."""
    name = f"{database}_{kind}"
    if len(name.encode()) <= _MAX_NAME:
        return name
    digest = sha256(database.encode()).hexdigest()[:8]
    room = _MAX_NAME - len(f"_{digest}_{kind}")
    return f"{database.encode()[:room].decode(errors='ignore')}_{digest}_{kind}"
