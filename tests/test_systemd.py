"""The systemd units, and the commands that they run."""

import shlex
import shutil
import signal
import socket
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from urllib.request import urlopen

import pytest

from marketplace.postgresql import embedded
from tests.machine import ROOT
from tests.marketplace.stage import wait

UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))

#: Where the units expect the project.
HOME = "/opt/marketplace"


def unit(name):
    parser = ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str
    text = (ROOT / "deploy" / "systemd" / f"marketplace-{name}.service").read_text()
    parser.read_string(text.replace("\\\n", " "))
    return parser


def command(name, key="ExecStart"):
    """Return a command of a unit, changed to run from this folder."""
    program, *arguments = shlex.split(unit(name)["Service"][key])
    assert program.startswith(f"{HOME}/.venv/bin/")
    return [str(Path(sys.executable).parent / Path(program).name), *arguments]


@pytest.fixture(scope="module")
def machine(create_machine, tmp_path_factory):
    """Return a machine on which the unit of the server was started."""
    machine = create_machine(tmp_path_factory.mktemp("systemd") / "data")
    assert machine(*command("postgres")[2:]).returncode == 0
    yield machine
    embedded.stop(machine.data_dir)


def start(machine, arguments):
    return subprocess.Popen(
        arguments,
        cwd=ROOT,
        env=machine.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def end(process):
    """Stop a process as systemd does; return its output."""
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    return output


class TestUnits:
    def test_are_valid(self, tmp_path):
        if shutil.which("systemd-analyze") is None:
            pytest.skip("systemd-analyze is not here.")
        for path in UNITS:
            # Its programs must be there.
            text = path.read_text().replace(f"{HOME}/.venv/bin", str(Path(sys.executable).parent))
            (tmp_path / path.name).write_text(text.replace(HOME, str(ROOT)))

        result = subprocess.run(
            ["systemd-analyze", "verify", *(tmp_path / path.name for path in UNITS)],
            capture_output=True,
            text=True,
            check=False,
        )

        assert (result.returncode, result.stderr) == (0, "")

    @pytest.mark.parametrize("name", ["postgres", "web", "queue", "schedule"])
    def test_run_as_an_unprivileged_user(self, name):
        service = unit(name)["Service"]

        assert service["User"] == "marketplace"
        assert service["WorkingDirectory"] == HOME
        # Other units use a server that this one had to start.
        assert service["KillMode"] == "process"
        assert unit(name)["Install"]["WantedBy"] == "multi-user.target"

    def test_are_all_documented(self):
        guide = (ROOT / "docs" / "operations.md").read_text()

        assert [path.stem for path in UNITS if path.stem not in guide] == []


class TestCommands:
    def test_scheduler(self, machine):
        process = start(machine, command("schedule"))
        assert "Will run at" in process.stdout.readline()

        end(process)

    def test_loader_of_pushes(self, machine):
        process = start(machine, command("queue"))
        wait(lambda: embedded.count_clients(machine.data_dir) > 0, "It does not look for work.")

        end(process)

    def test_web_server(self, machine):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        arguments = [argument.replace("127.0.0.1:8000", address) for argument in command("web")]
        assert f"--bind={address}" in arguments
        process = start(machine, arguments)

        wait(lambda: answers(f"http://{address}/healthz"), "It does not answer.")

        end(process)

    def test_stop_of_the_server(self, machine):
        result = machine(*command("postgres", "ExecStop")[2:])

        assert result.stdout == "Stopped the embedded PostgreSQL.\n"


def answers(url):
    try:
        with urlopen(url, timeout=5) as response:  # our own address
            return response.status == 200
    except OSError:
        return False
