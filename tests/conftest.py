"""What all tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections

from marketplace.monitoring import measurements, pgbouncer, readiness
from marketplace.postgresql import embedded
from tests import pooler

#: Whether all that tests ask of databases goes through PgBouncer.
IS_POOLED = bool(os.environ.get("TEST_PGBOUNCER"))

_INSTANCE = pytest.StashKey[pooler.Pooler]()
_POOLED = pytest.StashKey[dict[str, object]]()
_DIRECTLY = {"HOST": "", "DISABLE_SERVER_SIDE_CURSORS": False}

#: What goes to the server itself even so, as the commands do whose work it tests. The first reason
#: is that of all tests which make databases.
DIRECT = {
    "databases are made, migrated and dropped by commands that go to the server itself": (
        "test_demo.py::TestCommand",
        "test_command_init_all.py",
        "test_databases.py",
        "test_revisions.py",
    ),
    "pg_dump and pg_restore would leave their settings in the sessions of the pool": (
        "marketplace/backups/",
        "test_a_copy_has_the_rights_of_its_database",
    ),
    "the session that is lost, or has the lock of a run, is that of the test's own connection": (
        "test_patience.py",
        "test_a_run_whose_process_died_is_closed_by_the_next",
    ),
    "a setting of a database is that of new sessions, and the pool keeps the old ones": (
        "test_names_a_database_that_is_read_only",
    ),
    "only without a host is there an embedded server": (
        "test_does_not_start_a_server_that_was_stopped",
    ),
}


def _is_direct(item: pytest.Item) -> bool:
    names = [name for names in DIRECT.values() for name in names]
    makes_databases = "scratch" in getattr(item, "fixturenames", ())
    return makes_databases or any(name in item.nodeid for name in names)


def _address(**address: object) -> None:
    """Have databases reached in another way from now on."""
    connections.close_all()
    for database in settings.DATABASES.values():
        database |= address


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if IS_POOLED and pooler.program() and _is_direct(item):
        item.stash[_POOLED] = {key: settings.DATABASES["default"][key] for key in _DIRECTLY}
        _address(**_DIRECTLY)
        # What the pool keeps open would keep databases from being copied or dropped.
        item.config.stash[_INSTANCE].let_go()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    if pooled := item.stash.get(_POOLED, None):
        _address(**pooled)


#: Modules that take minutes: they run first, so that no worker waits for another in the end.
_LONG = (
    "test_docs.py",
    "test_price_history.py",
    "monitoring/test_faults.py",
    "test_concurrent_loads.py",
    "test_kills.py",
    "test_archive_kills.py",
    "test_bench",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not any(name in item.nodeid for name in _LONG))
    if IS_POOLED and not pooler.program():
        for item in items:
            item.add_marker(pytest.mark.skip(reason=pooler.ABSENT))


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    """Ask anew in each test how the databases are."""
    yield
    for module in (measurements, pgbouncer, readiness):
        module.forget()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Have Django reach the databases through PgBouncer, if that is asked for."""
    if not IS_POOLED or not pooler.program():
        return
    embedded.start(settings.DATA_DIR)
    sockets = {"*": embedded.socket_directory(settings.DATA_DIR)}
    instance = pooler.Pooler(Path(settings.DATA_DIR) / "pgbouncer", sockets)
    instance.start()
    session.config.stash[_INSTANCE] = instance
    session.config.add_cleanup(instance.stop)
    address = {"HOST": "127.0.0.1", "PORT": str(instance.port), "USER": embedded.SUPERUSER}
    _address(**address, DISABLE_SERVER_SIDE_CURSORS=True)


@pytest.fixture(scope="session", autouse=IS_POOLED)
def _let_go(pytestconfig: pytest.Config, django_db_setup: None) -> Iterator[None]:
    """Let the databases be dropped in the end."""
    yield
    if instance := pytestconfig.stash.get(_INSTANCE, None):
        instance.let_go()
        _address(**_DIRECTLY)


@pytest.fixture(scope="session")
def django_db_modify_db_settings_xdist_suffix() -> None:
    """Leave the names of the databases as they are: each worker has a server of its own."""


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave no server behind, when the databases are dropped.

    Each worker stops its own, and the main process the one that `make test` started for its checks.
    """
    if settings.EMBEDDED_POSTGRES:
        embedded.stop(settings.DATA_DIR)
