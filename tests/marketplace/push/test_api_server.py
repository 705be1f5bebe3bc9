"""The API under what networks, clients and crashes do: gunicorn as the image runs it."""

import gzip
import http.client
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psycopg2
import pytest

from marketplace.postgresql import embedded
from tests.marketplace.conftest import ROOT, Machine

TOKEN = "uzum-token-of-the-tests"
MEGABYTE = 1 << 20
GIGABYTE = 1 << 30

LIMITS = {
    "INGEST_TOKENS": f"uzum={TOKEN}",
    "INGEST_API_MAX_BODY": str(8 * MEGABYTE),
    "INGEST_API_MAX_UNPACKED": str(16 * MEGABYTE),
    "INGEST_API_MAX_LINE": str(MEGABYTE),
    "INGEST_API_MAX_RECORDS": "200000",
    "INGEST_API_TIMEOUT": "5",
    # As many as there are threads: a request that another one's end delays is not refused.
    "INGEST_API_CONCURRENCY": "4",
    "ALLOWED_HOSTS": "127.0.0.1",
    "WEB_CONCURRENCY": "1",
}

#: Memory that a process may take beyond what it had, whatever is sent to it.
FLAT = 48 * MEGABYTE

_keys = (f"key {number}" for number in itertools.count())


class Server:
    """gunicorn, with the options of the image, on a machine of its own."""

    def __init__(self, machine):
        self.machine = machine
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def start(self):
        command = re.search(r"CMD (\[.*?\])", (ROOT / "Dockerfile").read_text(), re.DOTALL)[1]
        arguments = json.loads(command.replace("\\\n", ""))[1:]
        arguments = [each for each in arguments if not each.startswith("--bind")]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *arguments, f"--bind=127.0.0.1:{self.port}"],
            cwd=ROOT,
            env=self.machine.environment | LIMITS,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        # From then on connections wait until they are answered.
        for line in self.process.stdout:
            if "Listening at" in line:
                return
        raise AssertionError("gunicorn did not start")

    def kill(self):
        """End it with all its processes at once, as a crash does."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate(timeout=10)

    def peak(self):
        """Return the most memory that a process which answers has taken so far."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        statuses = [Path(f"/proc/{pid}/status").read_text() for pid in children.read_text().split()]
        return max(int(re.search(r"VmHWM:\s+(\d+)", text)[1]) * 1024 for text in statuses)

    # Requests.

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def open(self, *headers, method="POST", path="/api/ingest/uzum", token=TOKEN):
        """Return a connection on which the head of a request was sent."""
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers]
        lines.append(f"Authorization: Bearer {token}")
        connection = self.connect()
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return connection

    def push(self, body, *headers):
        with self.open(f"Content-Length: {len(body)}", *headers) as connection:
            connection.sendall(body)
            return answer(connection)

    def push_chunked(self, body):
        with self.open("Transfer-Encoding: chunked") as connection:
            connection.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
            return answer(connection)

    def ask(self, run):
        with self.open(method="GET", path=f"/api/ingest/runs/{run}") as connection:
            return answer(connection)

    # What is stored.

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
        """Wait until a query finds something in pg_stat_activity."""
        deadline = time.monotonic() + 20
        start = "SELECT pid FROM pg_stat_activity WHERE datname = 'ecommerce_db' AND "
        while not self.query(start + statement):
            assert time.monotonic() < deadline, statement

    def stored(self):
        """Return how many runs and chunks there are."""
        [counts] = self.query(
            "SELECT (SELECT count(*) FROM ecommerce_load_runs),"
            " (SELECT count(*) FROM ecommerce_load_chunks)"
        )
        return counts


def answer(connection):
    """Return the status and the JSON of an answer."""
    with closing(http.client.HTTPResponse(connection)) as response:
        response.begin()
        return response.status, json.loads(response.read())


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    machine = Machine(tmp_path_factory.mktemp("machine") / "data")
    done = machine("init_all", "--database", "ecommerce")
    assert done.returncode == 0, done.stderr
    server = Server(machine)
    server.start()
    # What is loaded at the first request counts as memory it has anyway.
    server.push(b"{}\n")
    yield server
    server.kill()
    embedded.stop(machine.data_dir)


@contextmanager
def nothing_is_queued(server):
    before = server.stored()
    yield
    assert server.stored() == before


@contextmanager
def memory_stays_flat(server):
    before = server.peak()
    yield
    assert server.peak() - before < FLAT


def flood(connection, block, size):
    """Send a block again and again; return how many bytes went before the server had enough."""
    sent = 0
    with suppress(ConnectionError):
        while sent < size:
            connection.sendall(block)
            sent += len(block)
    return sent


def drip(connection):
    """Send a byte now and then until there is an answer; return how it starts."""
    connection.settimeout(0.1)
    start = b""
    while not start:
        with suppress(TimeoutError):
            start = connection.recv(12)
        if not start:
            connection.sendall(b" ")
    return start


def product(number):
    return b'{"payload":{"data":{"id":%d,"title":"Choynak","skuList":[]}}}\n' % number


#: More than one chunk: while the rest is awaited, the first is in an open transaction.
MANY = b"".join(product(number) for number in range(50_000))


class TestSize:
    def test_a_gigabyte_that_is_announced(self, server):
        with (
            nothing_is_queued(server),
            memory_stays_flat(server),
            server.open(f"Content-Length: {GIGABYTE}") as connection,
        ):
            status, body = answer(connection)
            sent = flood(connection, bytes(MEGABYTE), GIGABYTE)

        assert status == 413
        assert "more than 8,388,608 bytes" in body["error"]
        assert sent < 100 * MEGABYTE

    def test_a_gigabyte_that_is_not_announced(self, server):
        line = product(1) * (MEGABYTE // len(product(1)))
        chunk = b"%x\r\n%s\r\n" % (len(line), line)

        with (
            nothing_is_queued(server),
            memory_stays_flat(server),
            server.open("Transfer-Encoding: chunked") as connection,
        ):
            sent = flood(connection, chunk, GIGABYTE)

        assert 8 * MEGABYTE < sent < 100 * MEGABYTE

    @pytest.mark.parametrize("is_chunked", [False, True])
    def test_a_little_too_much_is_told_to_a_client_that_sends_all_first(self, server, is_chunked):
        lines = product(1) * (9 * MEGABYTE // len(product(1)))

        with nothing_is_queued(server):
            status, body = server.push_chunked(lines) if is_chunked else server.push(lines)

        assert status == 413
        assert "INGEST_API_MAX_BODY" in body["error"]

    def test_chunks_without_an_announced_length_are_taken(self, server):
        status, body = server.push_chunked(product(1))

        assert (status, body["documents"]) == (202, 1)

    @pytest.mark.parametrize(
        ("line", "statuses", "reason"),
        [
            (bytes(MEGABYTE), {413}, "Line 1 has more than 1,048,576 bytes"),
            (product(1).replace(b"C", b"C" * 2000), {413}, "more than 200 times its size"),
            (b"\n", {400}, "one blank line too many"),
            (b"{}\n", {413}, "more than 200,000 documents"),
            (b"[]\n", {413}, "more than 200,000 documents"),
        ],
    )
    def test_a_bomb(self, server, line, statuses, reason):
        member = gzip.compress(line * (MEGABYTE // len(line)))
        bomb = member * (GIGABYTE // MEGABYTE)
        assert len(bomb) < 8 * MEGABYTE

        with nothing_is_queued(server), memory_stays_flat(server):
            status, body = server.push(bomb, "Content-Encoding: gzip")

        assert status in statuses
        assert re.search(reason, body["error"])

    def test_what_fits_is_taken_in_little_memory(self, server):
        lines = b"".join(product(number) for number in range(150_000))

        with memory_stays_flat(server):
            status, body = server.push(gzip.compress(lines, 1), "Content-Encoding: gzip")

        assert (status, body["documents"]) == (202, 150_000)


class TestClient:
    def test_a_wrong_token_is_told_before_the_body_is_sent(self, server):
        with server.open("Content-Length: 1000000", token="uzum-token-of-others") as connection:
            status, _ = answer(connection)

        assert status == 401

    def test_a_wrong_platform_is_told_before_the_body_is_sent(self, server):
        with server.open("Content-Length: 1000000", path="/api/ingest/amazon") as connection:
            status, body = answer(connection)

        assert status == 404
        assert "uzum" in body["error"]

    def test_clients_that_stall_or_drip_are_cut_off_and_disturb_nobody(self, server):
        with (
            nothing_is_queued(server),
            server.open("Content-Length: 1000000") as stalling,
            server.open("Content-Length: 1000000") as dripping,
        ):
            stalling.sendall(product(1))
            # While they keep the server waiting, others are answered.
            assert server.ask("uzum-0")[0] == 404
            start = drip(dripping)
            status, body = answer(stalling)

        assert start == b"HTTP/1.1 408"
        assert status == 408
        assert "within 5 seconds" in body["error"]

    def test_a_bad_line_is_told_to_a_client_that_sends_all_first(self, server):
        with nothing_is_queued(server):
            status, body = server.push(product(1) * 16 + b"{oops\n" + MANY)

        assert (status, body["line"]) == (400, 17)

    def test_a_line_that_is_not_utf_8(self, server):
        with nothing_is_queued(server):
            status, body = server.push(product(1) * 16 + '{"nom": "чой"}'.encode("cp1251"))

        assert (status, body["line"]) == (400, 17)
        assert "is not UTF-8" in body["error"]

    def test_gzip_that_is_cut_off(self, server):
        with nothing_is_queued(server):
            status, body = server.push(gzip.compress(MANY)[:-1000], "Content-Encoding: gzip")

        assert status == 400
        assert "gzip data are cut off" in body["error"]

    @pytest.mark.parametrize("is_chunked", [False, True])
    def test_a_client_that_goes_away_leaves_nothing(self, server, is_chunked):
        key = f"Idempotency-Key: {next(_keys)}"
        runs, _ = server.stored()

        if is_chunked:
            with server.open("Transfer-Encoding: chunked", key) as gone:
                gone.sendall(b"%x\r\n%s\r\n" % (len(MANY), MANY))
        else:
            with server.open(f"Content-Length: {len(MANY) + 1}", key) as gone:
                gone.sendall(MANY)

        # The key is free again.
        assert server.push(product(1), key)[1]["duplicate"] is False
        assert server.stored()[0] == runs + 1


class TestKey:
    """While the first of two pushes with a key is half received, the second one comes."""

    @pytest.fixture
    def half(self, server):
        """Send half of a push; return its connection, and a thread in which it is sent anew."""
        self.key = f"Idempotency-Key: {next(_keys)}"
        self.answers = []
        with server.open(f"Content-Length: {len(MANY)}", self.key) as first:
            first.sendall(MANY[:-10])
            server.wait_until("state = 'idle in transaction'")
            second = threading.Thread(
                target=lambda: self.answers.append(server.push(MANY, self.key)), daemon=True
            )
            second.start()
            server.wait_until("wait_event_type = 'Lock'")
            yield first, second

    def test_of_two_at_once_one_is_queued(self, server, half):
        first, second = half
        runs, _ = server.stored()

        first.sendall(MANY[-10:])
        self.answers.append(answer(first))
        second.join(30)

        assert [status for status, _ in self.answers] == [202, 202]
        assert len({body["run"] for _, body in self.answers}) == 1
        assert sorted(body["duplicate"] for _, body in self.answers) == [False, True]
        assert server.stored()[0] == runs + 1

    def test_the_second_takes_the_place_of_a_first_that_breaks_off(self, server, half):
        first, second = half
        runs, _ = server.stored()

        first.close()
        second.join(30)

        [(status, body)] = self.answers
        assert (status, body["documents"], body["duplicate"]) == (202, 50_000, False)
        assert server.stored()[0] == runs + 1


class TestCrash:
    def test_in_the_middle_of_a_request_leaves_nothing(self, server):
        key = f"Idempotency-Key: {next(_keys)}"

        with nothing_is_queued(server):
            with server.open(f"Content-Length: {len(MANY)}", key) as connection:
                connection.sendall(MANY[:-10])
                server.wait_until("state = 'idle in transaction'")
                server.kill()
            server.start()

        status, body = server.push(MANY, key)
        assert (status, body["duplicate"]) == (202, False)

    def test_after_the_answer_loses_nothing(self, server):
        server.query("DELETE FROM ecommerce_load_chunks; DELETE FROM ecommerce_load_runs")
        status, body = server.push(b"".join(product(number) for number in range(1, 2001)))
        assert status == 202

        # Both the server that answered and the database, with no time to write anything.
        server.kill()
        postmaster = server.machine.data_dir / "postgres" / "postmaster.pid"
        os.kill(int(postmaster.read_text().split()[0]), signal.SIGKILL)
        done = server.machine("ingest_queue", "--database", "ecommerce")
        server.start()

        assert f"{body['run']}: read 2,000, created 2,000" in done.stdout, done.stderr
        outcome = server.ask(body["run"])[1]
        assert (outcome["status"], outcome["counts"]["created"]) == ("completed", 2000)
        assert server.query("SELECT count(*) FROM ecommerce_products") == [(2000,)]
        assert server.stored() == (1, 0)
