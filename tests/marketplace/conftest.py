"""Fixtures of tests with databases."""

import socket
from contextlib import suppress

import pytest
from django.contrib.postgres.signals import get_citext_oids, get_hstore_oids
from django.db import OperationalError, connections

from marketplace import registry
from marketplace.databases.creation import drop_database
from marketplace.databases.roles.definitions import roles_of
from marketplace.databases.server import MAINTENANCE_DATABASE, connect_to_database
from marketplace.questions import definition
from marketplace.questions.definition import read_questions
from tests.questions import SELLERS_HEAD, SELLERS_SQL


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


@pytest.fixture
def _only_olx(monkeypatch):
    """Register only one platform in classifieds."""
    others = [item for item in registry.PLATFORMS if item.database != "classifieds"]
    monkeypatch.setattr(registry, "PLATFORMS", (*others, registry.get_platform("olx")))


@pytest.fixture
def question(tmp_path, monkeypatch):
    """Make the file of `ecommerce.sellers` the only question; return its path."""
    path = tmp_path / "ecommerce" / "questions" / "sellers.sql"
    path.parent.mkdir(parents=True)
    path.write_text(SELLERS_HEAD + SELLERS_SQL)
    monkeypatch.setattr(definition, "find_files", lambda: [path])
    read_questions.cache_clear()
    yield path
    read_questions.cache_clear()
