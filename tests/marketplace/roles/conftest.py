"""A server that asks for passwords, with the four databases and their roles."""

import random
from contextlib import closing
from functools import cache
from secrets import token_urlsafe

import psycopg2
import pytest

from marketplace.postgresql import embedded
from tests.marketplace.conftest import Machine

DATABASES = {
    "default": "marketplace_db",
    "ecommerce": "ecommerce_db",
    "classifieds": "classifieds_db",
    "procurement": "procurement_db",
}

#: With which a test pushes.
TOKEN = token_urlsafe(24)

#: Kinds of roles, by database.
KINDS = {
    alias: ("owner", "app") if alias == "default" else ("owner", "loader", "analyst")
    for alias in DATABASES
}

_HBA = """
local all postgres trust
local all all scram-sha-256
host all all 127.0.0.0/8 scram-sha-256
"""


def variable(alias, kind):
    prefix = "MARKETPLACE" if alias == "default" else alias.upper()
    return f"{prefix}_{kind.upper()}_PASSWORD"


@cache
def password(alias, kind):
    return token_urlsafe(24)


class Guarded:
    """A server of its own, on which everybody but its superuser needs a password."""

    def __init__(self, data_dir):
        # Any address of this machine will do, but that of a server that is here already.
        self.address = ".".join(["127", *(str(random.randint(1, 250)) for _ in range(3))])
        self.machine = Machine(data_dir)
        self.machine.environment |= {
            variable(alias, kind): password(alias, kind)
            for alias, kinds in KINDS.items()
            for kind in kinds
        }
        self.machine.environment["EMBEDDED_POSTGRES_CONF"] = (
            f"listen_addresses = '{self.address}'\nfsync = off"
        )
        self.sockets = str(embedded.socket_directory(data_dir))

    def ask_for_passwords(self):
        # Written in place: it stays the file of the user who runs the server.
        (self.machine.data_dir / "postgres" / "pg_hba.conf").write_text(_HBA)
        self.do("SELECT pg_reload_conf()")

    def connect(self, role, database, secret):
        connection = psycopg2.connect(
            host=self.sockets, user=role, dbname=database, password=secret, connect_timeout=5
        )
        return closing(connection)

    def enter(self, alias, kind, other=None):
        """Connect as a role of one database, to it or to another one."""
        role = f"{DATABASES[alias]}_{kind}"
        return self.connect(role, DATABASES[other or alias], password(alias, kind))

    def do(self, statement, alias="ecommerce"):
        """Run a statement as the superuser; return its rows."""
        with self.connect("postgres", DATABASES[alias], None) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

    def run(self, writer, *arguments, **environment):
        """Run a command whose connections are those of the loaders, or of the owners."""
        urls = {}
        for alias, name in DATABASES.items():
            kind = "app" if alias == "default" and writer == "loader" else writer
            prefix = "MARKETPLACE" if alias == "default" else alias.upper()
            urls[f"{prefix}_DATABASE_URL"] = (
                f"postgres://{name}_{kind}:{password(alias, kind)}@{self.address}:5432/{name}"
            )
        secret = {"SECRET_KEY": token_urlsafe(50), "INGEST_TOKENS": f"uzum={TOKEN}"}
        return self.machine(*arguments, **urls, **secret, **environment)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The server, initialized by its superuser."""
    server = Guarded(tmp_path_factory.mktemp("guarded") / "data")
    done = server.machine("init_all")
    assert done.returncode == 0, done.stderr
    server.ask_for_passwords()
    yield server
    embedded.stop(server.machine.data_dir)
