"""nginx with the configuration of docker compose, in front of a local server."""

import os
import shutil
import subprocess
from contextlib import closing, contextmanager
from pathlib import Path
from socket import socket

import pytest

from tests.machine import ROOT
from tests.marketplace.stage import wait

TEMPLATE = ROOT / "deploy" / "nginx" / "nginx.conf.template"


#: INGEST_API_MAX_BODY of the tests.
MAX_BODY = 8 << 20


def configuration(folder, port, site):
    """Return the configuration of docker compose with other addresses and folders.

    :param port: of nginx
    :param site: port of the server behind it
    """
    replacements = {
        "${INGEST_API_MAX_BODY}": str(MAX_BODY),
        "listen 8000;": f"listen 127.0.0.1:{port};",
        "http://web:8000": f"http://127.0.0.1:{site}",
        "/var/spool/nginx": str(folder),
        "/tmp/nginx.pid": f"{folder}/nginx.pid",
        "/dev/stdout": f"{folder}/access.log",
    }
    text = TEMPLATE.read_text()
    for old, new in replacements.items():
        assert old in text, old
        text = text.replace(old, new)
    # As root, nginx switches to another user, which may not read the test's folders.
    return f"user root;\n{text}" if os.geteuid() == 0 else text


@contextmanager
def proxy(folder: Path, site: int, *, is_near: bool = True):
    """Run nginx in front of a local port; yield its own port.

    :param is_near: whether nginx treats clients as the trusted proxy that terminates TLS
    """
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed: apt-get install nginx-light")
    with closing(socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    path = folder / "nginx.conf"
    text = configuration(folder, port, site)
    path.write_text(text if is_near else text.replace("127.0.0.0/8", "192.0.2.0/24"))
    command = [program, "-e", "stderr", "-c", str(path), "-g", "daemon off;"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        wait(lambda: process.poll() is not None or is_open(port), "nginx does not listen")
        assert process.poll() is None, process.stderr.read()
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=20)


def is_open(port):
    with closing(socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
