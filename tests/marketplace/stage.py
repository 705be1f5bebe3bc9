"""A server of its own for processes that load at once, or are killed."""

import os
import signal
import time
from contextlib import closing

import psycopg2
from psycopg2.sql import SQL, Identifier

from marketplace.postgresql import embedded
from marketplace.postgresql.embedded import SUPERUSER
from tests.content import content
from tests.marketplace.conftest import Machine

#: The database that `init_all` makes; all others are made from it.
TEMPLATE = "ecommerce_db"

#: Processes die here, not the machine: what was written is kept without the disk's word.
CONFIGURATION = "fsync = off\nfull_page_writes = off"


class Stage:
    """A server with a database for each load, made from one template."""

    def __init__(self, folder):
        self.machine = Machine(folder / "data")
        settings = {"INGEST_BATCH_SIZE": "10", "EMBEDDED_POSTGRES_CONF": CONFIGURATION}
        self.machine.environment |= settings
        done = self.machine("init_all", "--database", "ecommerce")
        assert done.returncode == 0, done.stderr
        self.count = 0

    def connect(self, name):
        # One that was killed when nobody needed it any more runs no longer.
        embedded.start(self.machine.data_dir, CONFIGURATION)
        host = str(embedded.socket_directory(self.machine.data_dir))
        connection = psycopg2.connect(host=host, user=SUPERUSER, dbname=name)
        connection.autocommit = True
        return connection

    def use_new_database(self):
        """Make an empty database, which all that is called from now on uses."""
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
        """Wait until a loader has committed so many records, or has ended."""
        with closing(self.connect(name)) as connection, connection.cursor() as cursor:
            while loader.poll() is None:
                cursor.execute("SELECT coalesce(sum(read_count), -1) FROM ecommerce_load_runs")
                if cursor.fetchone()[0] >= count:
                    return
                time.sleep(0.002)

    def wait_until_alone(self, name):
        """Wait until the server has noticed that its clients are gone."""
        statement = (
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = %(name)s AND backend_type = 'client backend'"
        )
        values = {"name": name}
        wait(lambda: self.ask("postgres", statement, values) == [(0,)], "sessions stay open")

    def stop(self):
        embedded.stop(self.machine.data_dir)

    def kill_server(self):
        """Kill the server as a lack of memory does; its other processes end by themselves."""
        file = self.machine.data_dir / "postgres" / "postmaster.pid"
        os.kill(int(file.read_text().split()[0]), signal.SIGKILL)


def wait(is_true, complaint):
    """Wait until something is true."""
    deadline = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.01)
