"""Connections to other databases of the same server, such as its maintenance database."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.utils import CursorWrapper

#: The database that exists on every server, to which administrators and tools connect.
MAINTENANCE_DATABASE = "postgres"


@contextmanager
def connect_to_database(alias: str, name: str) -> Iterator[CursorWrapper]:
    """Connect to the database `name` of the alias's server as the alias's user; yield a cursor."""
    # With its own alias, django.contrib.postgres would look up types in the alias's database.
    connection = connections[alias].copy(NO_DB_ALIAS)
    connection.settings_dict["NAME"] = name
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()
