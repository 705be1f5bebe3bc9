"""What tests of backups share."""

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
from tests.marketplace.conftest import ROOT

#: When a set is begun unless a test says otherwise.
NOW = datetime(2026, 6, 1, 3, 0, tzinfo=UTC)
NAME = "2026-06-01T03-00-00Z"

_QUERY = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = \
'public'::regnamespace ORDER BY 1"


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    """A folder of sets of the test's own."""
    settings.BACKUP_DIR = tmp_path / "backups"
    settings.BACKUP_SIGNING_KEY = []
    return settings.BACKUP_DIR


@pytest.fixture(autouse=True)
def _drop_databases():
    """Leave no database beside those of the tests."""
    before = set(databases())
    yield
    for alias in ALL_ALIASES:
        connections[alias].close()
    with connect("postgres") as cursor:
        for name in set(databases()) - before:
            cursor.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@contextmanager
def connect(name):
    """Connect to a database of the tests' server, past Django."""
    parameters = connections["default"].get_connection_params()
    known = {key: parameters[key] for key in ("host", "port", "user")}
    with closing(psycopg2.connect(**known, dbname=name)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


def databases():
    with connect("postgres") as cursor:
        cursor.execute("SELECT datname FROM pg_database ORDER BY 1")
        return [name for (name,) in cursor.fetchall()]


def beside(alias):
    """Return the databases whose names start as that of the alias does."""
    live = database_name(alias)
    return [name for name in databases() if name.startswith(live) and name != live]


def fingerprint(name):
    """Return table → hash of all of its rows."""
    with connect(name) as cursor:
        cursor.execute(_QUERY)
        tables = [table for (table,) in cursor.fetchall()]
        found = {}
        for table in tables:
            cursor.execute(SQL("SELECT t::text FROM {} AS t ORDER BY 1").format(Identifier(table)))
            found[table] = hashlib.sha256(repr(cursor.fetchall()).encode()).hexdigest()
        return found


def back_up(*aliases, now=NOW):
    """Write a set."""
    with sets.exclusive_lock():
        return dump.back_up(aliases, now, jobs=2)


def rewrite(manifest, **changes):
    """Change what a set says of itself, as if it had been written so."""
    changed = replace(manifest, **changes)
    manifests.write(changed, sets.path_of(manifest.name))
    return changed


def copy(manifest, moment):
    """Make the same set of another time."""
    name = sets.format_name(moment)
    shutil.copytree(sets.path_of(manifest.name), sets.folder() / name)
    changed = replace(manifest, name=name)
    manifests.write(changed, sets.path_of(name))
    return changed


def flip(path, place):
    """Change one byte of a file."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def start(*arguments):
    """Start a command in a process of its own, on the databases and the folder of the tests."""
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
