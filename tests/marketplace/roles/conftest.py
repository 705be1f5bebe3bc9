"""Roles of the tests' own server, and a server that requires passwords."""

import random
from contextlib import closing
from functools import cache
from secrets import token_urlsafe

import psycopg2
import pytest
from django.conf import settings
from django.db import connections

from marketplace.databases.roles.reconcile import reconcile
from marketplace.databases.server import MAINTENANCE_DATABASE, connect_to_database
from marketplace.postgresql import embedded
from tests.marketplace.conftest import drop_roles
from tests.marketplace.roles.differences import differences, query

DATABASES = {
    "default": "marketplace_db",
    "ecommerce": "ecommerce_db",
    "classifieds": "classifieds_db",
    "procurement": "procurement_db",
}

#: The token with which a test pushes.
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


class PasswordServer:
    """A separate server on which all roles except the superuser need a password."""

    def __init__(self, machine):
        # A random loopback address, to avoid collisions with another server.
        self.address = ".".join(["127", *(str(random.randint(1, 250)) for _ in range(3))])
        self.machine = machine
        self.machine.environment |= {
            variable(alias, kind): password(alias, kind)
            for alias, kinds in KINDS.items()
            for kind in kinds
        }
        self.machine.environment["EMBEDDED_POSTGRES_CONF"] = (
            f"listen_addresses = '{self.address}'\nfsync = off"
        )
        self.sockets = str(embedded.socket_directory(machine.data_dir))

    def require_passwords(self):
        # Written in place, so that the owner of the file does not change.
        (self.machine.data_dir / "postgres" / "pg_hba.conf").write_text(_HBA)
        self.do("SELECT pg_reload_conf()")

    def connect(self, role, database, secret):
        connection = psycopg2.connect(
            host=self.sockets, user=role, dbname=database, password=secret, connect_timeout=5
        )
        return closing(connection)

    def enter(self, alias, kind, other=None):
        """Connect as a role of one database, to this or to another database."""
        role = f"{DATABASES[alias]}_{kind}"
        return self.connect(role, DATABASES[other or alias], password(alias, kind))

    def do(self, statement, alias="ecommerce"):
        """Run a statement as the superuser; return its rows."""
        with self.connect("postgres", DATABASES[alias], None) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

    def run(self, role_kind, *arguments, **environment):
        """Run a command that connects as the loaders or as the owners."""
        urls = {}
        for alias, name in DATABASES.items():
            kind = "app" if alias == "default" and role_kind == "loader" else role_kind
            prefix = "MARKETPLACE" if alias == "default" else alias.upper()
            urls[f"{prefix}_DATABASE_URL"] = (
                f"postgres://{name}_{kind}:{password(alias, kind)}@{self.address}:5432/{name}"
            )
        secret = {"SECRET_KEY": token_urlsafe(50), "INGEST_TOKENS": f"uzum={TOKEN}"}
        return self.machine(*arguments, **urls, **secret, **environment)


@pytest.fixture
def roles():
    """Create the roles of two databases, and a role of the user's own."""
    reconcile("ecommerce")
    reconcile("classifieds")
    assert differences("ecommerce") == differences("classifieds") == []
    query("CREATE ROLE test_stranger")
    yield
    query("DROP OWNED BY test_stranger; DROP ROLE test_stranger")


@pytest.fixture
def deployer(monkeypatch, scratch):
    """Connect to a new, not yet created database as a role without superuser rights."""

    def connect_as_deployer(attributes):
        scratch("classifieds")
        with connect_to_database("classifieds", MAINTENANCE_DATABASE) as cursor:
            drop_roles(cursor, "test_deployer")
            cursor.execute(f"CREATE ROLE test_deployer LOGIN {attributes}")
            cursor.execute("GRANT CONNECT ON DATABASE postgres TO test_deployer")
        connections["classifieds"].close()
        address = {
            "HOST": str(embedded.socket_directory(settings.DATA_DIR)),
            "PORT": "5432",
            "USER": "test_deployer",
        }
        for key, value in address.items():
            patch.setitem(connections["classifieds"].settings_dict, key, value)

    with monkeypatch.context() as patch:
        yield connect_as_deployer
        connections["classifieds"].close()


@pytest.fixture(scope="session")
def server(create_machine, tmp_path_factory):
    """Return the server, initialized by its superuser."""
    server = PasswordServer(create_machine(tmp_path_factory.mktemp("password-server") / "data"))
    # It sets the passwords of the roles.
    result = server.machine("init_all")
    assert result.returncode == 0, result.stderr
    server.require_passwords()
    yield server
    embedded.stop(server.machine.data_dir)
