"""Which roles a database has, and what each may do there."""

import os
from hashlib import sha256
from typing import NamedTuple

from django.db import connections

from marketplace.registry import ALIASES, CONTROL

OWNER = "owner"

#: What PostgreSQL calls everybody.
PUBLIC = "PUBLIC"

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
    #: Settings of its sessions.
    settings: tuple[tuple[str, str], ...] = ()

    def wanted(self, kind: str, name: str, alias: str) -> set[str]:
        """Return the privileges that the role should have on an object."""
        if kind == "FUNCTION":
            # By their name: what creates a month only adds. Others may drop or lock.
            creates = name.startswith(f"{alias}_create_")
            return {"EXECUTE"} if self.may_create and creates else set()
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
        make(OWNER, owner)._replace(schema=("CREATE", "USAGE")),
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


def _writer(role: Role) -> Role:
    return role._replace(
        # Loading stages batches in temporary tables.
        database=("CONNECT", "TEMPORARY"),
        schema=("USAGE",),
        tables=_CHANGES,
        sequences=("USAGE", "SELECT"),
        may_create=True,
    )


def _analyst(role: Role) -> Role:
    # No temporary tables: with those a query could fill the disk on which loading writes.
    return role._replace(
        database=("CONNECT",),
        schema=("USAGE",),
        tables=("SELECT",),
        settings=(
            ("default_transaction_read_only", "on"),
            ("statement_timeout", os.environ.get("ANALYST_STATEMENT_TIMEOUT") or "5min"),
            # A forgotten transaction keeps vacuum from cleaning up behind the loaders.
            ("idle_in_transaction_session_timeout", "10min"),
        ),
    )


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
