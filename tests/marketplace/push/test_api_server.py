"""The push API under load, with slow clients and after crashes."""

import gzip
import itertools
import os
import re
import signal
import threading
from contextlib import contextmanager, suppress

import pytest

from marketplace.postgresql import embedded
from tests.marketplace.push.api_server import MEGABYTE, Server, product, read_response

GIGABYTE = 1 << 30

#: Additional memory of a process at most, whatever is sent to it.
FLAT = 48 * MEGABYTE

_keys = (f"key {number}" for number in itertools.count())


@pytest.fixture(scope="module")
def server(create_machine, tmp_path_factory):
    machine = create_machine(tmp_path_factory.mktemp("machine") / "data")
    server = Server(machine)
    server.start()
    # Modules that the first request imports do not count as memory of later requests.
    server.push(b"{}\n")
    yield server
    server.kill()
    embedded.stop(machine.data_dir)


@contextmanager
def nothing_is_queued(server):
    before = server.count_rows()
    yield
    assert server.count_rows() == before


@contextmanager
def memory_stays_flat(server):
    before = server.peak()
    yield
    assert server.peak() - before < FLAT


def flood(connection, block, size):
    """Send a block repeatedly; return the number of bytes until the connection was closed."""
    sent = 0
    with suppress(ConnectionError):
        while sent < size:
            connection.sendall(block)
            sent += len(block)
    return sent


def drip(connection):
    """Send single bytes slowly until there is a response; return its start."""
    connection.settimeout(0.1)
    start = b""
    while not start:
        with suppress(TimeoutError):
            start = connection.recv(12)
        if not start:
            connection.sendall(b" ")
    return start


#: More than one chunk: the first is in an open transaction while the server receives the rest.
MANY = b"".join(product(number) for number in range(50_000))


class TestSize:
    def test_too_large_body_with_announced_length(self, server):
        with (
            nothing_is_queued(server),
            memory_stays_flat(server),
            server.open(f"Content-Length: {GIGABYTE}") as connection,
        ):
            status, body = read_response(connection)
            sent = flood(connection, bytes(MEGABYTE), GIGABYTE)

        assert status == 413
        assert "more than 8,388,608 bytes" in body["error"]
        assert sent < 100 * MEGABYTE

    def test_too_large_body_in_chunks(self, server):
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
    def test_client_that_sends_all_first_gets_the_response(self, server, is_chunked):
        lines = product(1) * (9 * MEGABYTE // len(product(1)))

        with nothing_is_queued(server):
            status, body = server.push_chunked(lines) if is_chunked else server.push(lines)

        assert status == 413
        assert "INGEST_API_MAX_BODY" in body["error"]

    def test_chunked_body_is_accepted(self, server):
        status, body = server.push_chunked(product(1))

        assert (status, body["documents"]) == (202, 1)

    @pytest.mark.parametrize(
        ("line", "statuses", "reason"),
        [
            (bytes(MEGABYTE), {413}, "Line 1 has more than 1,048,576 bytes"),
            (product(1).replace(b"C", b"C" * 2000), {413}, "more than 200 times its size"),
            (b"\n", {400}, "more than 10,000 blank lines"),
            (b"{}\n", {413}, "more than 200,000 documents"),
        ],
    )
    def test_decompression_bomb(self, server, line, statuses, reason):
        member = gzip.compress(line * (MEGABYTE // len(line)))
        bomb = member * (GIGABYTE // MEGABYTE)
        assert len(bomb) < 8 * MEGABYTE

        with nothing_is_queued(server), memory_stays_flat(server):
            status, body = server.push(bomb, "Content-Encoding: gzip")

        assert status in statuses
        assert re.search(reason, body["error"])

    def test_large_body_needs_little_memory(self, server):
        lines = b"".join(product(number) for number in range(150_000))

        with memory_stays_flat(server):
            status, body = server.push(gzip.compress(lines, 1), "Content-Encoding: gzip")

        assert (status, body["documents"]) == (202, 150_000)


class TestClient:
    def test_wrong_token_is_rejected_before_the_body(self, server):
        with server.open("Content-Length: 1000000", token="uzum-token-of-others") as connection:
            status, _ = read_response(connection)

        assert status == 401

    def test_slow_clients_are_disconnected_without_delaying_others(self, server):
        with (
            nothing_is_queued(server),
            server.open("Content-Length: 1000000") as stalling,
            server.open("Content-Length: 1000000") as dripping,
        ):
            stalling.sendall(product(1))
            # While the server waits for them, other requests are answered.
            assert server.get_run("uzum-0")[0] == 404
            start = drip(dripping)
            status, body = read_response(stalling)

        assert start == b"HTTP/1.1 408"
        assert status == 408
        assert "within 5 seconds" in body["error"]

    def test_invalid_line_at_the_start_of_a_large_body(self, server):
        with nothing_is_queued(server):
            status, body = server.push(product(1) * 16 + b"{oops\n" + MANY)

        assert (status, body["line"]) == (400, 17)

    @pytest.mark.parametrize("is_chunked", [False, True])
    def test_disconnected_client_leaves_no_data(self, server, is_chunked):
        key = f"Idempotency-Key: {next(_keys)}"
        runs, _ = server.count_rows()

        if is_chunked:
            with server.open("Transfer-Encoding: chunked", key) as aborted:
                aborted.sendall(b"%x\r\n%s\r\n" % (len(MANY), MANY))
        else:
            with server.open(f"Content-Length: {len(MANY) + 1}", key) as aborted:
                aborted.sendall(MANY)

        # The key can be used again.
        assert server.push(product(1), key)[1]["duplicate"] is False
        assert server.count_rows()[0] == runs + 1


class TestConcurrentKeys:
    """Two pushes with the same key: the second one starts while the first one is received."""

    @pytest.fixture
    def pushes(self, server):
        """Send a part of a push; yield its connection, and the thread of a second push."""
        self.key = f"Idempotency-Key: {next(_keys)}"
        self.responses = []
        with server.open(f"Content-Length: {len(MANY)}", self.key) as first:
            first.sendall(MANY[:-10])
            server.wait_until("state = 'idle in transaction'")
            second = threading.Thread(
                target=lambda: self.responses.append(server.push(MANY, self.key)), daemon=True
            )
            second.start()
            server.wait_until("wait_event_type = 'Lock'")
            yield first, second

    def test_only_one_of_them_is_queued(self, server, pushes):
        first, second = pushes
        runs, _ = server.count_rows()

        first.sendall(MANY[-10:])
        self.responses.append(read_response(first))
        second.join(30)

        assert [status for status, _ in self.responses] == [202, 202]
        assert len({body["run"] for _, body in self.responses}) == 1
        assert sorted(body["duplicate"] for _, body in self.responses) == [False, True]
        assert server.count_rows()[0] == runs + 1

    def test_second_one_is_stored_if_the_first_one_is_aborted(self, server, pushes):
        first, second = pushes
        runs, _ = server.count_rows()

        first.close()
        second.join(30)

        [(status, body)] = self.responses
        assert (status, body["documents"], body["duplicate"]) == (202, 50_000, False)
        assert server.count_rows()[0] == runs + 1


class TestCrash:
    def test_crash_during_a_request_leaves_no_data(self, server):
        key = f"Idempotency-Key: {next(_keys)}"

        with nothing_is_queued(server):
            with server.open(f"Content-Length: {len(MANY)}", key) as connection:
                connection.sendall(MANY[:-10])
                server.wait_until("state = 'idle in transaction'")
                server.kill()
            server.start()

        status, body = server.push(MANY, key)
        assert (status, body["duplicate"]) == (202, False)

    def test_crash_after_the_response_loses_no_data(self, server):
        server.query("DELETE FROM ecommerce_load_chunks; DELETE FROM ecommerce_load_runs")
        status, body = server.push(b"".join(product(number) for number in range(1, 2001)))
        assert status == 202

        # Kill the web server and the database server without a shutdown.
        server.kill()
        postmaster = server.machine.data_dir / "postgres" / "postmaster.pid"
        os.kill(int(postmaster.read_text().split()[0]), signal.SIGKILL)
        result = server.machine("ingest_queue", "--database", "ecommerce")
        server.start()

        assert f"{body['run']}: read 2,000, created 2,000" in result.stdout, result.stderr
        outcome = server.get_run(body["run"])[1]
        assert (outcome["status"], outcome["counts"]["created"]) == ("completed", 2000)
        assert server.query("SELECT count(*) FROM ecommerce_products") == [(2000,)]
        assert server.count_rows() == (1, 0)
