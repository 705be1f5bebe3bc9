"""What tests of databases share."""

import socket
from contextlib import suppress

import pytest
from django.contrib.postgres.signals import get_citext_oids, get_hstore_oids
from django.db import OperationalError, connections

from marketplace.databases import drop_database


@pytest.fixture
def scratch(monkeypatch):
    """Give aliases databases of their own, which do not exist yet."""
    aliases = []

    def point(alias):
        connection, name = connections[alias], f"scratch_{alias}"
        connection.close()
        monkeypatch.setitem(connection.settings_dict, "NAME", name)
        aliases.append(alias)
        _drop(alias)
        # As in a new process, whose first connection asks for these.
        get_hstore_oids.cache_clear()
        get_citext_oids.cache_clear()
        return name

    yield point
    for alias in aliases:
        _drop(alias)


def _drop(alias):
    # The embedded server makes a database at its first mention; afterwards it stays dropped.
    with suppress(OperationalError):
        connections[alias].ensure_connection()
    drop_database(alias)
    connections[alias].close()


@pytest.fixture
def mute_port():
    """A port of a server that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def move(monkeypatch):
    """Make an alias name a server of its own."""

    def move(alias, port):
        connection = connections[alias]
        connection.close()
        address = {"HOST": "127.0.0.1", "PORT": str(port), "USER": "nobody"}
        for key, value in address.items():
            monkeypatch.setitem(connection.settings_dict, key, value)

    yield move
    connections.close_all()
