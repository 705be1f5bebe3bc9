"""gunicorn as the image runs it, for tests of the API with real connections."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import psycopg2

from marketplace.postgresql import embedded
from tests.machine import ROOT

TOKEN = "uzum-token-of-the-tests"
MEGABYTE = 1 << 20

LIMITS = {
    "INGEST_TOKENS": f"uzum={TOKEN}",
    "INGEST_API_MAX_BODY": str(8 * MEGABYTE),
    "INGEST_API_MAX_UNPACKED": str(16 * MEGABYTE),
    "INGEST_API_MAX_LINE": str(MEGABYTE),
    "INGEST_API_MAX_RECORDS": "200000",
    "INGEST_API_TIMEOUT": "5",
    # As many as threads, so that no request is rejected while another one ends.
    "INGEST_API_CONCURRENCY": "4",
    "ALLOWED_HOSTS": "127.0.0.1",
    "WEB_CONCURRENCY": "1",
}


class Server:
    """gunicorn with the options of the image, and a database server of its own."""

    def __init__(self, machine):
        self.machine = machine
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def start(self):
        command = re.search(r"CMD (\[.*?\])", (ROOT / "Dockerfile").read_text(), re.DOTALL)[1]
        arguments = json.loads(command.replace("\\\n", ""))[1:]
        arguments = [text for text in arguments if not text.startswith("--bind")]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *arguments, f"--bind=127.0.0.1:{self.port}"],
            cwd=ROOT,
            env=self.machine.environment | LIMITS,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        # From now on, connections are queued until they are accepted.
        for line in self.process.stdout:
            if "Listening at" in line:
                return
        raise AssertionError("gunicorn did not start")

    def kill(self):
        """Kill all processes of the server, as in a crash."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate(timeout=10)

    def peak(self):
        """Return the peak memory of the worker processes, in bytes."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        statuses = [Path(f"/proc/{pid}/status").read_text() for pid in children.read_text().split()]
        return max(int(re.search(r"VmHWM:\s+(\d+)", text)[1]) * 1024 for text in statuses)

    # Requests.

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def open(self, *headers, method="POST", path="/api/ingest/uzum", token=TOKEN):
        """Return a connection on which the headers of a request were sent."""
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers]
        lines.append(f"Authorization: Bearer {token}")
        connection = self.connect()
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return connection

    def push(self, body, *headers):
        with self.open(f"Content-Length: {len(body)}", *headers) as connection:
            connection.sendall(body)
            return read_response(connection)

    def push_chunked(self, body):
        with self.open("Transfer-Encoding: chunked") as connection:
            connection.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
            return read_response(connection)

    def get_run(self, run):
        with self.open(method="GET", path=f"/api/ingest/runs/{run}") as connection:
            return read_response(connection)

    # The database.

    def query(self, statement):
        connection = psycopg2.connect(
            host=str(embedded.socket_directory(self.machine.data_dir)),
            user=embedded.SUPERUSER,
            dbname="ecommerce_db",
        )
        connection.autocommit = True
        with closing(connection), connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def wait_until(self, statement):
        """Wait until a session matches the condition."""
        deadline = time.monotonic() + 20
        start = "SELECT pid FROM pg_stat_activity WHERE datname = 'ecommerce_db' AND "
        while not self.query(start + statement):
            assert time.monotonic() < deadline, statement

    def count_rows(self):
        """Return the numbers of runs and chunks."""
        [counts] = self.query(
            "SELECT (SELECT count(*) FROM ecommerce_load_runs),"
            " (SELECT count(*) FROM ecommerce_load_chunks)"
        )
        return counts


def read_response(connection):
    """Return the status and the JSON of a response."""
    with closing(http.client.HTTPResponse(connection)) as response:
        response.begin()
        return response.status, json.loads(response.read())


def product(number):
    """Return a line with a document of uzum."""
    return b'{"payload":{"data":{"id":%d,"title":"Choynak","skuList":[]}}}\n' % number
