"""Three servers, one for each database, the site that uses them, and faults of a server."""

import json
import os
import secrets
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import psycopg2

from marketplace.postgresql import embedded
from marketplace.registry import ALIASES
from tests.machine import ROOT, Machine
from tests.marketplace.push.api_server import Server as Site
from tests.pooler import Pooler

#: The max_connections of a server.
CONNECTIONS = 16

CONFIGURATION = (
    f"fsync = off\nfull_page_writes = off\nmax_connections = {CONNECTIONS}\nshared_buffers = 16MB"
)

_LOGIN = """
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
user = get_user_model().objects.create_superuser("admin", password="only for this session")
session = SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.save()
print(session.session_key)
"""


class Fleet:
    """Servers, commands and a site that use them. The last server has the database `default`."""

    def __init__(self, folder: Path):
        self.folders = {alias: folder / alias for alias in ALIASES}
        self.machine = Machine(folder / "data")
        homes = {"marketplace": ALIASES[-1]} | {alias: alias for alias in ALIASES}
        for name, home in homes.items():
            sockets = embedded.socket_directory(self.folders[home])
            url = f"postgres://postgres@/{sockets}/{name}_db"
            self.machine.environment[f"{name.upper()}_DATABASE_URL"] = url
        self.machine.environment |= {
            "SECRET_KEY": secrets.token_urlsafe(50),
            "HTTPS": "false",
            "INGEST_PATIENCE": "0",
        }
        self.homes = homes
        self.site = Site(self.machine)
        self.pooler = None

    def start(self, *, is_pooled=False):
        for alias in ALIASES:
            self.start_server(alias)
        result = self.machine("init_all")
        assert result.returncode == 0, result.stderr
        result = self.machine("shell", "-v", "0", "-c", _LOGIN)
        assert result.returncode == 0, result.stderr
        self.session = result.stdout.strip()
        if is_pooled:
            self.start_pooler()
        self.site.start()
        # Its log is larger than the buffer of a pipe.
        self.reader = Thread(target=self.site.process.stdout.read, daemon=True)
        self.reader.start()
        # The first request imports modules.
        self.get("/readyz", seconds=60)

    def stop(self):
        if self.pooler:
            self.pooler.stop()
        if hasattr(self.site, "process"):
            os.killpg(self.site.process.pid, signal.SIGKILL)
            self.site.process.wait(10)
            self.reader.join()
            self.site.process.stdout.close()
        for alias in ALIASES:
            embedded.stop(self.folders[alias])

    def start_pooler(self):
        """Start PgBouncer between the site and the servers."""
        sockets = {
            f"{name}_db": embedded.socket_directory(self.folders[home])
            for name, home in self.homes.items()
        }
        self.pooler = Pooler(self.machine.data_dir / "pgbouncer", sockets)
        self.pooler.start()
        environment = {"DISABLE_SERVER_SIDE_CURSORS": "true", "PGBOUNCER_METRICS": "true"}
        for name in self.homes:
            url = f"postgres://postgres:{secrets.token_urlsafe(24)}@127.0.0.1:{self.pooler.port}/{name}_db"
            environment[f"{name.upper()}_DATABASE_URL"] = url
        self.site.machine = SimpleNamespace(environment=self.machine.environment | environment)

    def start_server(self, alias):
        embedded.start(self.folders[alias], CONFIGURATION)

    def get(self, address, seconds=20):
        """Return the status and body of a response of the site."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.site.port}{address}")
        request.add_header("Cookie", f"sessionid={self.session}")
        try:
            with urllib.request.urlopen(request, timeout=seconds) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def readiness(self):
        """Return the status and content of `/readyz`, which must respond within two seconds."""
        status, body = self.get("/readyz", seconds=2)
        return status, json.loads(body)

    def load(self, platform, document):
        """Pipe a document to `ingest`; return the finished process."""
        return subprocess.run(
            [sys.executable, "manage.py", "ingest", platform, "-", "--format", "json"],
            cwd=ROOT,
            env=self.machine.environment,
            input=json.dumps(document),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def threads(self):
        """Return the number of threads of the site's processes."""
        first = self.site.process.pid
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        return sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in [first, *children])

    def connect(self, alias):
        host = str(embedded.socket_directory(self.folders[alias]))
        connection = psycopg2.connect(
            host=host,
            user=embedded.SUPERUSER,
            dbname=f"{alias}_db",
            options="-c default_transaction_read_only=off",
        )
        connection.autocommit = True
        return connection

    def processes(self, alias):
        """Return the ids of the server's processes, the postmaster first."""
        first = int((self.folders[alias] / "postgres" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        return [first, *map(int, children)]


@contextmanager
def stopped(fleet, alias):
    """Stop the server during the block."""
    embedded.stop(fleet.folders[alias])
    try:
        yield
    finally:
        fleet.start_server(alias)


@contextmanager
def hanging(fleet, alias):
    """Suspend all processes of the server: it accepts connections, but does not respond."""
    processes = fleet.processes(alias)
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in processes:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextmanager
def full(fleet, alias):
    """Use all connections of the server during the block."""
    with ExitStack() as stack:
        with suppress(psycopg2.OperationalError):
            while True:
                stack.callback(fleet.connect(alias).close)
        yield


@contextmanager
def read_only(fleet, alias):
    """Make the server read-only during the block."""
    _set_read_only(fleet, alias, "ON")
    try:
        yield
    finally:
        _set_read_only(fleet, alias, "OFF")


def _set_read_only(fleet, alias, value):
    connection = fleet.connect(alias)
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
        cursor.execute("SELECT pg_reload_conf()")
    connection.close()
