"""PostgreSQL's client programs: which one to take, and running it so that no password shows."""

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

#: What of a connection's parameters libpq also takes from the environment.
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

# Signals that came.
_heard: list[int] = []

#: Lines of what a program said that an error quotes.
_QUOTED = 3

# Bytes that are read of a program's messages: a dump can make them arbitrarily long.
_LONGEST = 10_000


class Client(NamedTuple):
    """One of PostgreSQL's client programs."""

    path: Path
    version: str

    @property
    def major(self) -> int:
        """The number before the point."""
        return int(self.version.partition(".")[0])


class Running(NamedTuple):
    """A program at work."""

    process: subprocess.Popen[bytes]
    said: IO[bytes]

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()
        self.said.close()

    def complaint(self) -> str:
        """Return the last lines that it said, without empty ones, on one line."""
        size = self.said.seek(0, os.SEEK_END)
        self.said.seek(max(size - _LONGEST, 0))
        lines = self.said.read(_LONGEST).decode(errors="replace").splitlines()
        texts = [line.strip() for line in lines if line.strip()]
        return " / ".join(texts[-_QUOTED:]) or "it said nothing"


def major_of(version: str) -> int:
    """Return the number of a version that decides what can be read: of "18.6", 18."""
    found = re.match(r"\d+", version)
    return int(found[0]) if found else 0


def find(name: str, alias: str, at_least: int, compression: str = "") -> Client:
    """Return the oldest of the programs there are that is new enough.

    The oldest, because a newer one may say things that an older server does not understand.

    :param at_least: its major version
    :param compression: what it must be able to read or write
    :raises BackupError: if there is none
    """
    found = [_version(path) for path in _candidates(name, alias)]
    known = [client for client in found if client is not None]
    able = [
        client
        for client in known
        if client.major >= at_least and (not compression or compresses(client.path, compression))
    ]
    if able:
        return min(able, key=lambda client: client.major)
    there = ", ".join(f"{client.path} is {client.version}" for client in known) or "there is none"
    what = f"{name} {at_least} or newer" + (f" with {compression}" if compression else "")
    raise BackupError(
        f"{what} is needed: {there}. Install it, and name its folder in POSTGRES_BIN."
    )


@cache
def compresses(path: Path, method: str) -> bool:
    """Return whether a program was built with a method of compression."""
    if method == "gzip":
        return True
    # What it cannot do it says before it connects; then there is nothing to connect to.
    dump = path.with_name("pg_dump")
    command = [str(dump), f"--compress={method}", "--format=directory", "--file=/dev/null/none"]
    done = subprocess.run(
        [*command, "--host=/nonexistent"], capture_output=True, text=True, check=False
    )
    return "compress" not in done.stderr


def environment(alias: str, database: str) -> dict[str, str]:
    """Return the environment in which libpq connects to a database of the alias's server."""
    parameters = connections[alias].get_connection_params() | {"dbname": database}
    ours = {
        variable: str(parameters[key])
        for key, variable in _VARIABLES.items()
        if parameters.get(key) not in (None, "")
    }
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    return clean | ours | {"PGAPPNAME": "marketplace-backup", "LC_ALL": "C"}


@contextmanager
def running(command: list[str], variables: dict[str, str]) -> Iterator[Running]:
    """Run a program, whose files nobody else can read, and which does not outlive us."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            umask=0o077,
            # Safe without threads, and there are none when programs are run.
            preexec_fn=_die_with_parent,
        )
        program = Running(process, said)
        try:
            stop_if_told()
            yield program
        finally:
            program.stop()


def run(command: list[str], variables: dict[str, str] | None = None) -> None:
    """Run a program to its end.

    :raises BackupError: with what it said, if it fails
    """
    with running(command, variables or dict(os.environ)) as program:
        if program.process.wait():
            raise BackupError(f"{Path(command[0]).name} failed: {program.complaint()}")


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM, SIGHUP and Ctrl-C end the command with everything tidied up."""

    def leave(number: int, frame: FrameType | None) -> None:
        _heard.append(number)
        stop_if_told()

    # Other threads may not set it, and what nohup ignores stays ignored.
    is_main = threading.current_thread() is threading.main_thread()
    ours = [each for each in _ENDING if is_main and signal.getsignal(each) != signal.SIG_IGN]
    _heard.clear()
    before = {each: signal.signal(each, leave) for each in ours}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def stop_if_told() -> None:
    """End the command if a signal said so.

    The signal does so by itself; but if it came while Python was forking or collecting garbage,
    its exception was swallowed.
    """
    if _heard:
        raise SystemExit(128 + _heard[-1])


def _candidates(name: str, alias: str) -> list[Path]:
    if settings.POSTGRES_BIN:
        return [Path(settings.POSTGRES_BIN) / name]
    on_path = shutil.which(name)
    found = [Path(on_path)] if on_path else []
    try:
        ours = programs.program_path(name)
    except EmbeddedServerError:
        return found
    return [*found, ours] if connections[alias].settings_dict["HOST"] else [ours, *found]


@cache
def _version(path: Path) -> Client | None:
    """Return the program with its version: "pg_dump (PostgreSQL) 15.20 (Debian …)" is 15.20."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r"\(PostgreSQL\) (\d+[\w.]*)", done.stdout)
    return Client(path, found[1]) if found else None


def _die_with_parent() -> Any:
    # pg_dump that goes on alone would hold its locks and its snapshot, perhaps for hours.
    if _library is not None:
        _library.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
