"""Fixtures of tests with databases."""

import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from django.contrib.postgres.signals import get_citext_oids, get_hstore_oids
from django.db import OperationalError, connections

from marketplace import registry
from marketplace.databases.creation import drop_database
from marketplace.databases.roles.definitions import roles_of
from marketplace.databases.server import MAINTENANCE_DATABASE, connect_to_database
from marketplace.postgresql import embedded

ROOT = Path(__file__).resolve().parents[2]

#: Parts of variable names that configure databases.
_DATABASE_VARIABLES = (
    "DB_",
    "_POSTGRES",
    "DATABASE_URL",
    "DATA_DIR",
    "DJANGO_SETTINGS",
    "SECRET_KEY",
)


@pytest.fixture
def scratch(monkeypatch):
    """Return a function that points an alias to a new database, which does not exist yet."""
    aliases = []

    def point(alias):
        connection, name = connections[alias], f"scratch_{alias}"
        connection.close()
        monkeypatch.setitem(connection.settings_dict, "NAME", name)
        aliases.append(alias)
        _drop(alias)
        # As in a new process, whose first connection looks these types up.
        get_hstore_oids.cache_clear()
        get_citext_oids.cache_clear()
        return name

    yield point
    for alias in aliases:
        _drop(alias)


def _drop(alias):
    # The embedded server creates a missing database once. Afterwards it stays dropped.
    with suppress(OperationalError):
        connections[alias].ensure_connection()
    drop_database(alias)
    connections[alias].close()
    with connect_to_database(alias, MAINTENANCE_DATABASE) as cursor:
        drop_roles(cursor, *(role.name for role in roles_of(alias)))


def drop_roles(cursor, *names):
    """Drop the existing roles, with their objects and privileges in the cursor's database."""
    for name in names:
        cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", [name])
        if cursor.fetchone() is not None:
            cursor.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


@pytest.fixture
def mute_port():
    """Return a port that accepts connections but never sends data."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def set_port(monkeypatch):
    """Return a function that points an alias to another port."""

    def set_port(alias, port):
        connection = connections[alias]
        connection.close()
        address = {"HOST": "127.0.0.1", "PORT": str(port), "USER": "nobody"}
        for key, value in address.items():
            monkeypatch.setitem(connection.settings_dict, key, value)

    yield set_port
    connections.close_all()


class Machine:
    """Runs commands in new processes, on a machine without a database server."""

    def __init__(self, data_dir):
        self.data_dir = data_dir
        clean = {
            k: v
            for k, v in os.environ.items()
            if not any(name in k for name in _DATABASE_VARIABLES)
        }
        self.environment = clean | {"DATA_DIR": str(data_dir), "PYTHONUNBUFFERED": "1"}

    def __call__(self, *arguments, **environment):
        """Run a command and wait for it."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self, *arguments):
        """Start a command that runs until it is stopped."""
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


@pytest.fixture
def machine(tmp_path):
    """Return a machine without a server. A server that commands start is stopped at the end."""
    machine = Machine(tmp_path / "data")
    yield machine
    embedded.stop(machine.data_dir)


@pytest.fixture
def _only_olx(monkeypatch):
    """Register only one platform in classifieds."""
    others = [item for item in registry.PLATFORMS if item.database != "classifieds"]
    monkeypatch.setattr(registry, "PLATFORMS", (*others, registry.get_platform("olx")))
