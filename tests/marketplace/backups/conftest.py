"""Fixtures and helpers of the tests of backups."""

import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import psycopg2
import pytest
from django.db import connections
from psycopg2.sql import SQL, Identifier

from marketplace.backups import dump, manifests, sets
from marketplace.databases.names import ALL_ALIASES, database_name
from tests import factories
from tests.commands import run
from tests.machine import ROOT

#: The default start time of a set, and its name.
NOW = datetime(2026, 6, 1, 3, 0, tzinfo=UTC)
NAME = "2026-06-01T03-00-00Z"

_QUERY = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = \
'public'::regnamespace ORDER BY 1"


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    """An empty folder for sets."""
    settings.BACKUP_DIR = tmp_path / "backups"
    settings.BACKUP_SIGNING_KEY = []
    return settings.BACKUP_DIR


@pytest.fixture(autouse=True)
def _drop_databases():
    """Drop the databases that a test has created."""
    before = set(databases())
    yield
    for alias in ALL_ALIASES:
        connections[alias].close()
    with connect("postgres") as cursor:
        for name in set(databases()) - before:
            cursor.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@contextmanager
def connect(name):
    """Connect to a database of the test server, without Django."""
    parameters = connections["default"].get_connection_params()
    server = {key: parameters[key] for key in ("host", "port", "user")}
    with closing(psycopg2.connect(**server, dbname=name)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


@pytest.fixture
def live():
    """The name of the live database procurement, which has a lot."""
    factories.lot_item()
    return database_name("procurement")


@pytest.fixture
def manifest(live):
    """The manifest of a set of the live database, to which a lot was added afterwards."""
    manifest = back_up("procurement")
    factories.lot()
    return manifest


def restore(*arguments):
    """Run db_restore for procurement, without confirmation."""
    return run("db_restore", NAME, "--database", "procurement", "--force", *arguments)


def execute(name, statement, *names):
    """Execute a statement in a database; return its rows.

    :param names: identifiers to insert into the statement
    """
    with connect(name) as cursor:
        cursor.execute(SQL(statement).format(*map(Identifier, names)))
        return cursor.fetchall() if cursor.description else None


def databases():
    """Return the names of all databases of the server."""
    with connect("postgres") as cursor:
        cursor.execute("SELECT datname FROM pg_database ORDER BY 1")
        return [name for (name,) in cursor.fetchall()]


def other_databases(alias):
    """Return the other databases whose names start with that of the alias."""
    live = database_name(alias)
    return [name for name in databases() if name.startswith(live) and name != live]


def fingerprint(name):
    """Return table → hash of its rows."""
    with connect(name) as cursor:
        cursor.execute(_QUERY)
        tables = [table for (table,) in cursor.fetchall()]
        hashes = {}
        for table in tables:
            cursor.execute(SQL("SELECT t::text FROM {} AS t ORDER BY 1").format(Identifier(table)))
            hashes[table] = hashlib.sha256(repr(cursor.fetchall()).encode()).hexdigest()
        return hashes


def back_up(*aliases, now=NOW):
    """Write a set."""
    with sets.exclusive_lock():
        return dump.back_up(aliases, now, jobs=2)


def rewrite(manifest, **changes):
    """Write a changed manifest of a set, with a valid hash."""
    changed = replace(manifest, **changes)
    manifests.write(changed, sets.path_of(manifest.name))
    return changed


def copy(manifest, time):
    """Copy a set to another start time."""
    name = sets.format_name(time)
    shutil.copytree(sets.path_of(manifest.name), sets.folder() / name)
    changed = replace(manifest, name=name)
    manifests.write(changed, sets.path_of(name))
    return changed


def flip(path, offset):
    """Flip a bit of one byte of a file."""
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def start(*arguments):
    """Start a command in another process, with the databases and the folder of the tests."""
    names = {f"{_prefix(alias)}_DB": database_name(alias) for alias in ALL_ALIASES}
    environment = (
        os.environ
        | names
        | {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "BACKUP_DIR": str(sets.folder()),
            "PYTHONUNBUFFERED": "1",
        }
    )
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _prefix(alias):
    return "MARKETPLACE" if alias == "default" else alias.upper()
