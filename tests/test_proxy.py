"""nginx, configured as in docker compose, in front of gunicorn."""

import gzip
import http.client
import json
import threading
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from select import select
from socket import create_connection

import pytest
from django.conf import settings

from marketplace.postgresql import embedded
from tests.marketplace.push.api_server import Server, product, read_response
from tests.proxy import MAX_BODY, TEMPLATE, proxy

#: The beginning of a request, after which the client waits, with a valid host.
HALVES = {
    "headers": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Endless: ",
    "form": b"POST /login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000\r\n\r\nusername=",
    "push": b"POST /api/ingest/uzum HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000\r\n"
    b"X-Forwarded-For: 203.0.113.%d\r\n\r\n{",
}


class Front(Server):
    """gunicorn behind nginx."""

    #: Where requests go: nginx's port.
    front = 0

    def connect(self):
        return create_connection(("127.0.0.1", self.front), timeout=30)


@pytest.fixture(scope="module")
def site(create_machine, tmp_path_factory):
    machine = create_machine(tmp_path_factory.mktemp("machine") / "data")
    site = Front(machine)
    site.start()
    with proxy(tmp_path_factory.mktemp("nginx"), site.port) as site.front:
        # The first page takes longer.
        assert get(site.front, "/login/")[0] == 200
        yield site
    site.kill()
    embedded.stop(machine.data_dir)


def get(port, path, **headers):
    """Return the status and the body of a response."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()


def are_open(connections):
    """Return whether no connection was answered or closed."""
    return select(connections, [], [], 0)[0] == []


class TestSlowClients:
    @pytest.mark.parametrize("half", HALVES)
    def test_do_not_occupy_threads_of_the_site(self, site, half):
        with ExitStack() as stack:
            clients = [stack.enter_context(site.connect()) for _ in range(50)]
            for number, client in enumerate(clients):
                # So many pushes of one address would be refused.
                start = HALVES[half]
                client.sendall(start % (number % 10) if half == "push" else start)

            statuses = [get(site.front, "/login/")[0] for _ in range(10)]
            pushed, _ = site.push(product(1))

            assert (statuses, pushed) == ([200] * 10, 202)
            assert are_open(clients)

    def test_of_one_address_do_not_block_pushes_of_others(self, site):
        with ExitStack() as stack:
            for _ in range(16):
                client = stack.enter_context(site.connect())
                client.sendall(HALVES["push"] % 7)
            # The last ones may not have been read yet.
            while (refused := site.push(product(1), "X-Forwarded-For: 203.0.113.7"))[0] == 202:
                pass

            status, _ = site.push(product(1), "X-Forwarded-For: 203.0.113.8")

        assert (refused[0], status) == (503, 202)
        assert "Send it again" in refused[1]["error"]


class TestPushes:
    @pytest.mark.parametrize("header", ["X-Nothing: 1", "Expect: 100-continue"])
    def test_are_forwarded(self, site, header):
        body = gzip.compress(b"".join(product(number) for number in range(5000)))

        with site.open(f"Content-Length: {len(body)}", "Content-Encoding: gzip", header) as client:
            if header.startswith("Expect"):
                assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.sendall(body)
            status, receipt = read_response(client)

        assert (status, receipt["documents"]) == (202, 5000)

    def test_in_chunks_are_forwarded(self, site):
        status, receipt = site.push_chunked(product(1))

        assert (status, receipt["documents"]) == (202, 1)

    @pytest.mark.parametrize("is_chunked", [False, True])
    def test_that_are_too_large_are_rejected(self, site, is_chunked):
        lines = product(1) * (MAX_BODY // len(product(1)) + 1)

        status, body = site.push_chunked(lines) if is_chunked else site.push(lines)

        assert status == 413
        assert f"more than {MAX_BODY} bytes" in body["error"]
        assert "INGEST_API_MAX_BODY" in body["error"]

    def test_rejected_by_the_site_get_the_reason(self, site):
        status, body = site.push(b"nonsense\n" * 100_000)

        assert status == 400
        assert body["line"] == 1


class TestAddresses:
    def test_of_monitoring_are_public_except_metrics(self, site):
        assert get(site.front, "/healthz")[0] == 200
        assert get(site.front, "/metrics")[0] == 403


class Echo(BaseHTTPRequestHandler):
    """A site that responds with the headers of the request."""

    def do_GET(self):
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def echo():
    with HTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


class TestHeaders:
    SENT = {
        "Host": "analytics.example",
        "X-Forwarded-For": "198.51.100.1, 203.0.113.9",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Ssl": "on",
        "X_Forwarded_For": "198.51.100.2",
        "X-Real-IP": "198.51.100.3",
        "Forwarded": "for=198.51.100.4",
    }

    @pytest.mark.parametrize(
        ("is_near", "address", "scheme"),
        [(True, "203.0.113.9", "https"), (False, "127.0.0.1", "http")],
    )
    def test_of_the_tls_proxy_only_are_trusted(self, tmp_path, echo, is_near, address, scheme):
        with proxy(tmp_path, echo, is_near=is_near) as port:
            _, body = get(port, "/", **self.SENT)

        headers = json.loads(body)
        assert headers.pop("accept-encoding", "identity") == "identity"
        assert headers == {
            "host": "analytics.example",
            "x-forwarded-for": address,
            "x-forwarded-proto": scheme,
            "connection": "close",
        }


def test_responses_may_take_longer_than_a_push():
    seconds = int(TEMPLATE.read_text().partition("proxy_read_timeout ")[2].partition("s;")[0])

    assert seconds > settings.INGEST_API_TIMEOUT
