"""PostgreSQL's client programs: choosing one, and running it without exposing passwords."""

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType
from typing import IO, Any, NamedTuple

from django.conf import settings
from django.db import connections

from marketplace.exceptions import BackupError, EmbeddedServerError
from marketplace.postgresql import programs

#: Connection parameter → the environment variable from which libpq reads it.
_VARIABLES = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "passfile": "PGPASSFILE",
    "service": "PGSERVICE",
    "options": "PGOPTIONS",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "channel_binding": "PGCHANNELBINDING",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "sslmode": "PGSSLMODE",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcrl": "PGSSLCRL",
    "gssencmode": "PGGSSENCMODE",
}

_PR_SET_PDEATHSIG = 1
_library = ctypes.CDLL(None) if sys.platform == "linux" else None

_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)

_received_signals: list[int] = []

#: Lines of a program's error output that an error message quotes.
_QUOTED = 3

# Bytes that are read of a program's error output, which can become arbitrarily long.
_LONGEST = 10_000


class Client(NamedTuple):
    """One of PostgreSQL's client programs."""

    path: Path
    version: str

    @property
    def major(self) -> int:
        """The major version."""
        return int(self.version.partition(".")[0])


class RunningProgram(NamedTuple):
    """A process of a client program, and the file with its error output."""

    process: subprocess.Popen[bytes]
    stderr: IO[bytes]

    def stop(self) -> None:
        """Terminate the process, and wait until it has ended."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()
        self.stderr.close()

    def error_text(self) -> str:
        """Return the last non-empty lines of the error output, joined to one line."""
        size = self.stderr.seek(0, os.SEEK_END)
        self.stderr.seek(max(size - _LONGEST, 0))
        lines = self.stderr.read(_LONGEST).decode(errors="replace").splitlines()
        texts = [line.strip() for line in lines if line.strip()]
        return " / ".join(texts[-_QUOTED:]) or "it printed no error message"


def major_of(version: str) -> int:
    """Return the major version: 18 for "18.6"; 0 if the text does not start with a number."""
    match = re.match(r"\d+", version)
    return int(match[0]) if match else 0


def find(name: str, alias: str, at_least: int, compression: str = "") -> Client:
    """Return the oldest installed version of a program that is new enough.

    A newer version may use commands that an older server does not understand.

    :param at_least: the minimum major version
    :param compression: a compression method that the program must support
    :raises BackupError: if no suitable version is installed
    """
    candidates = [_version(path) for path in _candidates(name, alias)]
    installed = [client for client in candidates if client is not None]
    suitable = [
        client
        for client in installed
        if client.major >= at_least and (not compression or compresses(client.path, compression))
    ]
    if suitable:
        return min(suitable, key=lambda client: client.major)
    versions = ", ".join(
        f"{client.path} is {client.version}"
        + (f" without {compression}" if compression and client.major >= at_least else "")
        for client in installed
    )
    wanted = f"{name} {at_least} or newer" + (f" with {compression}" if compression else "")
    raise BackupError(
        f"{wanted} is needed, but {versions or 'none is installed'}. Install it, and set "
        "POSTGRES_BIN to its folder."
    )


@cache
def compresses(path: Path, method: str) -> bool:
    """Return whether a program was built with support for a compression method."""
    if method == "gzip":
        return True
    # pg_dump reports an unsupported method before it fails to connect.
    dump = path.with_name("pg_dump")
    command = [str(dump), f"--compress={method}", "--format=directory", "--file=/dev/null/none"]
    done = subprocess.run(
        [*command, "--host=/nonexistent"], capture_output=True, text=True, check=False
    )
    return "compress" not in done.stderr


def environment(alias: str, database: str) -> dict[str, str]:
    """Return the environment in which libpq connects to a database of the alias's server."""
    parameters = connections[alias].get_connection_params() | {"dbname": database}
    from_parameters = {
        variable: str(parameters[key])
        for key, variable in _VARIABLES.items()
        if parameters.get(key) not in (None, "")
    }
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    return clean | from_parameters | {"PGAPPNAME": "marketplace-backup", "LC_ALL": "C"}


@contextmanager
def running(command: list[str], variables: dict[str, str]) -> Iterator[RunningProgram]:
    """Run a program. It ends with this process, and other users cannot read its files."""
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            command,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            umask=0o077,
            # This is unsafe in a process with threads, but none run at this time.
            preexec_fn=_die_with_parent,
        )
        program = RunningProgram(process, stderr)
        try:
            stop_if_signaled()
            yield program
        finally:
            program.stop()


def run(command: list[str], variables: dict[str, str] | None = None) -> None:
    """Run a program, and wait until it has ended.

    :raises BackupError: if the program fails; the message quotes its error output
    """
    with running(command, variables or dict(os.environ)) as program:
        if program.process.wait():
            raise BackupError(f"{Path(command[0]).name} failed: {program.error_text()}")


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise SystemExit on SIGTERM, SIGHUP and Ctrl-C, so that the command cleans up."""

    def leave(number: int, frame: FrameType | None) -> None:
        _received_signals.append(number)
        stop_if_signaled()

    # Only the main thread may set handlers. Signals that nohup ignores stay ignored.
    is_main = threading.current_thread() is threading.main_thread()
    handled = [
        number for number in _ENDING if is_main and signal.getsignal(number) != signal.SIG_IGN
    ]
    _received_signals.clear()
    previous = {number: signal.signal(number, leave) for number in handled}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def stop_if_signaled() -> None:
    """Raise SystemExit if a signal was received.

    The signal handler does so, too, but Python discards its exception while forking or collecting
    garbage.
    """
    if _received_signals:
        raise SystemExit(128 + _received_signals[-1])


def _candidates(name: str, alias: str) -> list[Path]:
    if settings.POSTGRES_BIN:
        return [Path(settings.POSTGRES_BIN) / name]
    on_path = shutil.which(name)
    installed = [Path(on_path)] if on_path else []
    try:
        bundled = programs.program_path(name)
    except EmbeddedServerError:
        return installed
    is_remote = connections[alias].settings_dict["HOST"]
    return [*installed, bundled] if is_remote else [bundled, *installed]


@cache
def _version(path: Path) -> Client | None:
    """Return the program with its version: 15.20 for "pg_dump (PostgreSQL) 15.20 (Debian …)".

    Return None if it is missing or does not print its version.
    """
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    match = re.search(r"\(PostgreSQL\) (\d+[\w.]*)", done.stdout)
    return Client(path, match[1]) if match else None


def _die_with_parent() -> Any:
    # An orphaned pg_dump would hold its locks and its snapshot, perhaps for hours.
    if _library is not None:
        _library.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
