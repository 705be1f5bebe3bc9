"""A separate server for tests with loaders that run concurrently or are killed."""

import os
import signal
import time
from contextlib import closing

import psycopg2
from psycopg2.sql import SQL, Identifier

from marketplace.postgresql import embedded
from marketplace.postgresql.embedded import SUPERUSER
from tests.content import content
from tests.machine import CONFIGURATION

#: The database that `init_all` creates; it is the template of all others.
TEMPLATE = "ecommerce_db"


class Stage:
    """A server with one database for each load, created from a template."""

    def __init__(self, machine, batch_size=10):
        self.machine = machine
        self.machine.environment["INGEST_BATCH_SIZE"] = str(batch_size)
        self.count = 0

    def connect(self, name):
        # The server may have been killed in the test before.
        embedded.start(self.machine.data_dir, CONFIGURATION)
        host = str(embedded.socket_directory(self.machine.data_dir))
        connection = psycopg2.connect(host=host, user=SUPERUSER, dbname=name)
        connection.autocommit = True
        return connection

    def use_new_database(self):
        """Create an empty database and use it for all further commands."""
        self.count += 1
        name = f"stage_{self.count}"
        with closing(self.connect("postgres")) as connection, connection.cursor() as cursor:
            cursor.execute(
                SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(TEMPLATE))
            )
        self.machine.environment["ECOMMERCE_DB"] = name
        return name

    def drop(self, name):
        with closing(self.connect("postgres")) as connection, connection.cursor() as cursor:
            cursor.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))

    def ask(self, name, statement, values=None):
        with closing(self.connect(name)) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall()

    def content(self, name, **options):
        with closing(self.connect(name)) as connection, connection.cursor() as cursor:
            return content(cursor, **options)

    def wait_until_read(self, name, count, loader):
        """Wait until a loader has committed `count` records or has ended."""
        with closing(self.connect(name)) as connection, connection.cursor() as cursor:
            while loader.poll() is None:
                cursor.execute("SELECT coalesce(sum(read_count), -1) FROM ecommerce_load_runs")
                if cursor.fetchone()[0] >= count:
                    return
                time.sleep(0.002)

    def wait_until_alone(self, name):
        """Wait until the server has noticed that its clients have disconnected."""
        statement = (
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = %(name)s AND backend_type = 'client backend'"
        )
        values = {"name": name}
        wait(lambda: self.ask("postgres", statement, values) == [(0,)], "sessions stay open")

    def stop(self):
        embedded.stop(self.machine.data_dir)

    def kill_server(self):
        """Kill the postmaster as the OOM killer does; its child processes exit by themselves."""
        file = self.machine.data_dir / "postgres" / "postmaster.pid"
        os.kill(int(file.read_text().split()[0]), signal.SIGKILL)


def wait(is_true, complaint):
    """Wait until `is_true()` returns True, for at most a minute."""
    deadline = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.01)
