"""Hooks and fixtures of all tests."""

import fcntl
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections

from marketplace.databases import health
from marketplace.monitoring import measurements, pgbouncer
from marketplace.postgresql import embedded
from tests import pooler
from tests.machine import Machine

#: Whether Django connects to the databases through PgBouncer.
IS_POOLED = bool(os.environ.get("TEST_PGBOUNCER"))

_INSTANCE = pytest.StashKey[pooler.Pooler]()
_POOLED = pytest.StashKey[dict[str, object]]()
_DIRECT_ADDRESS = {"HOST": "", "DISABLE_SERVER_SIDE_CURSORS": False}

#: Reason → tests that connect to the server directly nevertheless. The first reason also applies to
#: all tests with the fixture `scratch`.
DIRECT = {
    "commands that create, migrate and drop databases connect to the server directly": (
        "test_demo.py::TestCommand",
        "test_init_all.py",
        "test_databases.py",
        "test_revisions.py",
    ),
    "pg_dump and pg_restore would leave their settings in sessions of the pool": (
        "marketplace/backups/",
        "test_a_copy_gets_the_privileges_of_its_database",
    ),
    "the session that is lost, or holds the lock of a run, must be that of the test": (
        "test_retry.py",
        "test_the_next_run_closes_one_whose_process_ended",
    ),
    "settings of a database apply to new sessions, and the pool keeps old ones": (
        "test_names_a_database_that_is_read_only",
    ),
    "the embedded server is used only without a host": (
        "test_does_not_start_a_server_that_was_stopped",
    ),
}


def _is_direct(item: pytest.Item) -> bool:
    names = [name for names in DIRECT.values() for name in names]
    makes_databases = "scratch" in getattr(item, "fixturenames", ())
    return makes_databases or any(name in item.nodeid for name in names)


def _set_address(**address: object) -> None:
    """Change the address of all databases."""
    connections.close_all()
    for database in settings.DATABASES.values():
        database |= address


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if IS_POOLED and pooler.program() and _is_direct(item):
        item.stash[_POOLED] = {key: settings.DATABASES["default"][key] for key in _DIRECT_ADDRESS}
        _set_address(**_DIRECT_ADDRESS)
        # Open connections of the pool would prevent copying or dropping databases.
        item.config.stash[_INSTANCE].close_idle()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    if pooled := item.stash.get(_POOLED, None):
        _set_address(**pooled)


#: Modules that take longest. They run first, so that the workers finish at about the same time.
_LONG = (
    "test_docs_commands.py",
    "loading/test_kills.py",
    "test_retry.py",
    "browser/test_pages.py",
    "test_write_paths.py",
    "test_archive_interruptions.py",
    "test_mutations.py",
    "backups/test_command_db_restore.py",
    "test_questions.py",
    "monitoring/test_faults.py",
    "test_archive",
    "test_price_history.py",
    "backups/",
    "browser/",
    "roles/",
    "doctor/",
    "test_demo.py",
)


def _rank(item: pytest.Item) -> int:
    return next((rank for rank, name in enumerate(_LONG) if name in item.nodeid), len(_LONG))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_rank)
    if IS_POOLED and not pooler.program():
        for item in items:
            item.add_marker(pytest.mark.skip(reason=pooler.ABSENT))


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    """Discard cached probes of the databases after each test."""
    yield
    health._suspects.clear()
    for module in (health, measurements, pgbouncer):
        module._probe.forget()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Connect Django to the databases through PgBouncer if TEST_PGBOUNCER is set."""
    if not IS_POOLED or not pooler.program():
        return
    embedded.start(settings.DATA_DIR)
    sockets = {"*": embedded.socket_directory(settings.DATA_DIR)}
    instance = pooler.Pooler(Path(settings.DATA_DIR) / "pgbouncer", sockets)
    instance.start()
    session.config.stash[_INSTANCE] = instance
    session.config.add_cleanup(instance.stop)
    address = {"HOST": "127.0.0.1", "PORT": str(instance.port), "USER": embedded.SUPERUSER}
    _set_address(**address, DISABLE_SERVER_SIDE_CURSORS=True)


@pytest.fixture(scope="session")
def create_machine(tmp_path_factory, worker_id):
    """Return a function that creates a machine in a new folder, with initialized databases.

    `init_all` runs once for all workers; its stopped server is copied.
    """
    folder = tmp_path_factory.getbasetemp()
    folder = folder if worker_id == "master" else folder.parent
    template = folder / "initialized"

    def initialize():
        machine = Machine(folder / "initializing")
        result = machine("init_all")
        assert result.returncode == 0, result.stderr
        embedded.stop(machine.data_dir)
        machine.data_dir.rename(template)

    def create(data_dir):
        with (folder / "initialized.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not template.exists():
                initialize()
        subprocess.run(["cp", "--archive", "--reflink=auto", template, data_dir], check=True)
        return Machine(data_dir)

    return create


@pytest.fixture
def initialized_machine(create_machine, tmp_path):
    """Return a machine with initialized databases."""
    machine = create_machine(tmp_path / "data")
    yield machine
    embedded.stop(machine.data_dir)


@pytest.fixture
def machine(tmp_path):
    """Return a machine without a server. A server that commands start is stopped at the end."""
    machine = Machine(tmp_path / "data")
    yield machine
    embedded.stop(machine.data_dir)


@pytest.fixture(scope="session", autouse=IS_POOLED)
def _close_idle(pytestconfig: pytest.Config, django_db_setup: None) -> Iterator[None]:
    """Connect directly at the end, so that the databases can be dropped."""
    yield
    if instance := pytestconfig.stash.get(_INSTANCE, None):
        instance.close_idle()
        _set_address(**_DIRECT_ADDRESS)


@pytest.fixture(scope="session")
def django_db_modify_db_settings_xdist_suffix() -> None:
    """Keep the names of the databases: each worker has its own server."""


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop the embedded server after the databases were dropped.

    Each worker stops its own server, and the main process the one that `make test` has started.
    """
    if settings.EMBEDDED_POSTGRES:
        embedded.stop(settings.DATA_DIR)
