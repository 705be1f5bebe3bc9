"""Hostile requests to the push API: each gets a 4xx status and a JSON message."""

import gzip
import itertools
import json

import pytest
import zstandard
from django.apps import apps
from django.core import signals
from django.db import close_old_connections
from django.test import RequestFactory

from marketplace.wsgi import application

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds"])

TOKEN = "uzum-token-of-the-tests"
PUSH, RUN = "/api/ingest/uzum", "/api/ingest/runs/uzum-1"
MEGABYTE = 1 << 20

METHODS = ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", ""]
PLATFORMS = ["amazon", "UZUM", "uzum ", "%00", "uzum%00", "..", "%2e%2e%2fuzum", "a" * 10_000]
PLATFORMS += ["%F0%9F%92%A9", "%ff%fe", "%D1%83%D0%B7", "uzum;x=1", "uzum'--", "{}", "runs"]
NUMBERS = ["", "-1", "-", "0", "00", "-0", "+1", "1.5", "1e9", "0x1", "NaN", "%00", "1%00", "'"]
NUMBERS += [str(2**31), str(2**63 - 1), str(2**63), str(2**64), "9" * 18, "9" * 5000]
NUMBERS += ["%D9%A1%D9%A2", "%EF%BC%91", "%C2%B2", "1%0A", " 1", "1 OR 1=1", "a" * 5000, "%ff"]
TOKENS = ["", " ", "wrong", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "olx-token-of-the-tests"]
TOKENS += ["токен", "\xff\xfe", "x" * 100_000, "\x00", f"{TOKEN} {TOKEN}"]
LENGTHS = ["-1", "-0", "9" * 20, "9" * 5000, "1e3", "0x10", "ten", "١", "2, 2", " ", "1000"]
ENCODINGS = ["br", "deflate", "compress", "gzip, gzip", "gzip,zstd", "*", "g\xffzip", "x" * 100_000]
CHARSETS = ["hex", "idna", "undefined", "utf-16", "nope", "\x00", '"', "base64", "rot13", "zlib"]
TYPES = ["", "x", "text/html", "a" * 100_000, "; ; ;", "multipart/form-data; boundary=\xff"]
TYPES += [f"application/json; charset={charset}" for charset in CHARSETS]
KEYS = ["", " \t", "x" * 256, "x" * 100_000, "a\x00b", "a\tb", "\x7f", "\u2028"]
TIMES = ["-1", "0000-00-00", "0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-23:59"]
TIMES += ["9999-12-31", "2026-02-30", "1e400", "9" * 400, "NaN", "%00", "inf", "now", "%FF"]
TIMES += ["2026-01-01T00:00:00+99:99", "2026-01-01T25:00", "1780308000000000000", "%D9%A2"]
QUERIES = ["decimal=..", "decimal=%00", "decimal=%D8%8C", "full_listing=all", "nope=1"]
QUERIES += [
    "snapshot=SHOP",
    "full_listing=%00",
    "shop=%00",
    f"shop={'x' * 256}",
    "lot=%0A",
    "page=1" * 10_000,
]
QUERIES += ["&".join(f"a{n}=1" for n in range(2000)), "%00=%00", "observed_at=2026-01-01&shop=%0D"]
BODIES = [b"", b" ", b"\n" * 20_000, b"\0" * 10_000, b'{"a": "\0"}', b"{" + b"\0" * 99 + b"}"]
BODIES += ["{}".encode(name) for name in ("utf-16", "utf-16-be", "utf-32", "utf-32-be")]
BODIES += [b'{"\xff": 1}', b'{"\xed\xa0\x80": 1}', b"null", b"1", b'"x"', b"[]", b"[[{}]]", b"[1]"]
BODIES += [b"NaN", b"-Infinity", b"1e999", b"9" * 10_000, b"<html>", b"{}{}", b"{", b"}", b"'{}'"]
BODIES += [b"[" * 100_000, b"[" * 900 + b"]" * 900, b'{"a":' * 100_000, b"{}\n" * 1001]
BODIES += [b"[{}" + b",{}" * 1000 + b"]", b"[]\n" * 2000, b" " * (MEGABYTE + 1)]
PACKED = [b"", b"{}", gzip.compress(b"{}")[:-9], gzip.compress(b"{}")[:5], gzip.compress(b"")]
PACKED += [b"\x1f\x8b", b"\x1f\x8b" + b"\xff" * 100, gzip.compress(gzip.compress(b"{}"))]
PACKED += [gzip.compress(text * MEGABYTE) for text in (b"{}\n", b"\0", b"\n")]
FRAMES = [b"", b"{}", zstandard.compress(b"{}")[:-1], b"\x28\xb5\x2f\xfd", zstandard.compress(b"")]
FRAMES += [zstandard.compress(text * MEGABYTE) for text in (b"{}\n", b"\0", b"\n")]
FRAMES += [gzip.compress(b"{}"), zstandard.compress(zstandard.compress(b"{}"))]


def request(method="POST", path=PUSH, body=b"{}", *, token=TOKEN, query="", **variables):
    """Return the method, path, body and WSGI variables of a request.

    :param variables: WSGI variables, encoded as a server passes them on
    """
    if token is not None:
        variables = {"HTTP_AUTHORIZATION": f"Bearer {token}"} | variables
    sent = {name: text.encode().decode("latin-1") for name, text in variables.items()}
    return method, path, body, {"QUERY_STRING": query} | sent


HOSTILE = {
    "methods": [
        *itertools.starmap(request, itertools.product(METHODS, [PUSH, "/api", "/api/", "/api/x"])),
        *(request(method, RUN) for method in METHODS[2:]),
    ],
    "platforms": [
        *(request(path=f"/api/ingest/{name}") for name in PLATFORMS),
        *(request("GET", f"/api/ingest/runs/{name}-1") for name in PLATFORMS),
    ],
    "numbers": [
        *(request("GET", f"/api/ingest/runs/uzum-{number}") for number in NUMBERS),
        *(request("GET", f"/api/ingest/runs/{name}") for name in ("uzum", "-", "-1", "", "uzum/1")),
    ],
    "tokens": [
        *(request(token=token) for token in (None, *TOKENS)),
        *(request("GET", RUN, token=token) for token in (None, *TOKENS)),
        *(request(HTTP_AUTHORIZATION=text) for text in ("", "Bearer", TOKEN, f"Basic {TOKEN}")),
    ],
    "lengths": [
        *(request(CONTENT_LENGTH=length) for length in LENGTHS),
        request(CONTENT_LENGTH="", HTTP_TRANSFER_ENCODING="chunked"),
    ],
    "encodings": [request(HTTP_CONTENT_ENCODING=name) for name in ENCODINGS],
    # The API ignores the content type, so these have an invalid query in addition.
    "types": [request(CONTENT_TYPE=text, query="decimal=%FF") for text in TYPES],
    "hosts": [
        request(HTTP_HOST=host) for host in ("evil.example", "a\0b", "", "[::", "x" * 10_000)
    ],
    "keys": [request(HTTP_IDEMPOTENCY_KEY=key) for key in KEYS],
    "times": [request(query=f"observed_at={text}") for text in TIMES],
    "queries": [request(query=query) for query in QUERIES],
    "bodies": [request(body=body) for body in BODIES],
    "gzip": [request(body=body, HTTP_CONTENT_ENCODING="gzip") for body in PACKED],
    "zstd": [request(body=body, HTTP_CONTENT_ENCODING="zstd") for body in FRAMES],
}


class Environment(RequestFactory):
    """Creates the environment that a WSGI server passes to the application."""

    def request(self, **variables):
        return self._base_environ(**variables)


@pytest.fixture(autouse=True)
def limits(settings):
    settings.INGEST_TOKENS = [("uzum", TOKEN), ("olx", "olx-token-of-the-tests")]
    settings.INGEST_API_MAX_RECORDS = 1000
    settings.INGEST_API_MAX_LINE = settings.INGEST_API_MAX_UNPACKED = MEGABYTE
    settings.ALLOWED_HOSTS = ["testserver"]


@pytest.fixture(autouse=True)
def keep_connections():
    """Keep the transaction of the test open between requests, like Django's test client."""
    request_signals = (signals.request_started, signals.request_finished)
    for signal in request_signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in request_signals:
        signal.connect(close_old_connections)


def send(method, path, body, variables):
    """Return the status, content type and content of the response."""
    environment = Environment().generic(method, path, body, **variables)
    started = []

    def start(status, headers, *_):
        started.append((int(status.split()[0]), dict(headers)["Content-Type"]))

    response = application(environment, start)
    content = b"".join(response)
    response.close()
    return *started[0], content


def find_fault(status, content_type, content, method):
    """Return the difference from the expected response; empty if there is none."""
    if not 400 <= status < 500:
        return f"{status}: {content[:300]!r}"
    if content_type != "application/json":
        return content_type
    return "" if method == "HEAD" or json.loads(content)["error"] else "no message"


def test_number_of_requests():
    assert sum(map(len, HOSTILE.values())) >= 125


@pytest.mark.parametrize("kind", HOSTILE)
def test_every_request_is_rejected_with_a_reason(kind):
    responses = [(request, send(*request)) for request in HOSTILE[kind]]

    faults = [(str(sent)[:300], find_fault(*response, sent[0])) for sent, response in responses]
    assert [fault for fault in faults if fault[1]] == []
    assert not apps.get_model("ecommerce", "LoadRun").objects.exists()
