"""The command `serve`, which stops everything it has started."""

import json
import signal
import socket
import urllib.request

import pytest

from marketplace.postgresql import embedded


@pytest.fixture
def port():
    """Return an unused port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(process, text):
    """Return the output of the process up to a line that contains a text."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
    raise AssertionError(f"The process ended before it printed {text!r}: {''.join(lines)}")


class TestServe:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_serves_until_interrupted_and_stops_the_server(self, machine, port, number):
        process = machine.start("serve", "--port", str(port))
        wait_for(process, "Quit the server")

        page = urllib.request.urlopen(f"http://127.0.0.1:{port}/login/").read().decode()
        process.send_signal(number)
        rest, _ = process.communicate(timeout=30)

        assert "Marketplace analytics" in page
        assert rest.endswith("Stopped the embedded PostgreSQL.\n")
        assert not embedded.is_accepting(machine.data_dir)

    def test_loads_pushed_payloads(self, initialized_machine, port):
        machine = initialized_machine
        token = "uzum-token-of-the-tests"
        machine.environment["INGEST_TOKENS"] = f"uzum={token}"
        process = machine.start("serve", "--port", str(port))
        wait_for(process, "Quit the server")

        response = urllib.request.urlopen(
            urllib.request.Request(
                f"http://127.0.0.1:{port}/api/ingest/uzum",
                data=b'{"payload": {"data": {"id": 1, "title": "Choynak", "skuList": []}}}',
                headers={"Authorization": f"Bearer {token}"},
            )
        )
        run = json.load(response)["run"]
        printed = wait_for(process, f"{run}: read")
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=30)

        assert response.status == 202
        assert f"{run}: read 1, created 1" in printed
        assert rest.endswith("Stopped the embedded PostgreSQL.\n")
        assert not embedded.is_accepting(machine.data_dir)

    def test_its_worker_ends_if_it_is_killed(self, initialized_machine, port):
        process = initialized_machine.start("serve", "--port", str(port))
        wait_for(process, "Quit the server")

        process.kill()
        # A child process that is still running keeps its output open.
        process.communicate(timeout=30)

        assert process.returncode == -signal.SIGKILL

    def test_reports_a_used_port_first(self, machine):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]

            result = machine("serve", "--port", str(port))

        assert result.returncode == 1
        assert f"Port {port} of 127.0.0.1 cannot be used" in result.stderr
        assert f"make run PORT={port + 1}" in result.stderr
        assert not (machine.data_dir / "postgres").exists()
