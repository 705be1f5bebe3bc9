"""After a restore ends their session, pages, probes and the worker use a new one."""

import threading

import psycopg2
import pytest
from django.contrib import admin
from django.db import connections
from django.http import HttpResponse
from django.urls import path
from psycopg2.sql import SQL, Identifier

from marketplace.backups import target_databases
from marketplace.databases import health
from marketplace.databases.names import database_name
from marketplace.push import worker
from tests.marketplace.push.queued_runs import product, queue
from tests.marketplace.stage import wait

pytestmark = pytest.mark.django_db(databases=["ecommerce", "default"], transaction=True)

END = "SELECT pg_terminate_backend(pg_backend_pid())"


@pytest.fixture(autouse=True)
def _close():
    yield
    connections.close_all()


def _ask(statement):
    with connections["ecommerce"].cursor() as cursor:
        cursor.execute(statement)
        return str(cursor.fetchone()[0])


def _read(request):
    seen = request.session.setdefault("seen", [])
    seen.append(request.method)
    request.session.modified = True
    return HttpResponse(_ask(END if request.GET["cuts"] >= str(len(seen)) else "SELECT 7"))


urlpatterns = [path("read/", _read), path("", admin.site.urls)]


@pytest.fixture
def _pages(settings):
    settings.ROOT_URLCONF = __name__


@pytest.mark.usefixtures("_pages")
class TestPages:
    def test_reads_are_retried_once(self, client):
        response = client.get("/read/?cuts=1")

        assert (response.status_code, response.content) == (200, b"7")

    def test_are_unavailable_after_a_second_disconnect(self, client, caplog):
        response = client.get("/read/?cuts=9")

        assert response.status_code == 503
        assert "server closed the connection" in caplog.text

    def test_writes_are_not_retried(self, client):
        assert client.post("/read/?cuts=1").status_code == 503


def test_a_probe_is_retried_once(monkeypatch):
    applied, cut = health._applied, []

    def cut_once(connection):
        if not cut:
            cut.append("ecommerce")
            connection.query(SQL(END))
        return applied(connection)

    monkeypatch.setattr(health, "_applied", cut_once)

    assert health._look("ecommerce").is_ready
    assert cut == ["ecommerce"]


def test_a_worker_reconnects_without_a_report():
    troubles, loaded = [], []
    watcher = worker.Worker(
        ["ecommerce"],
        on_result=lambda result: loaded.append(result.name),
        on_error=lambda alias, reason: troubles.append(reason),
    )
    assert watcher.drain() == []
    pk = queue(product(1))
    pid = _ask("SELECT pg_backend_pid()")
    with target_databases.session("ecommerce") as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [int(pid)])

    assert watcher.drain() == troubles == []
    assert loaded == [f"uzum-{pk}"]


def test_connecting_during_a_replacement_waits():
    name = Identifier(database_name("ecommerce"))
    other = Identifier("exchanged_ecommerce")
    connections["ecommerce"].close()
    answers = []

    def connect():
        answers.append(_ask("SELECT 7"))
        connections.close_all()

    with target_databases.session("ecommerce") as cursor:
        cursor.execute("BEGIN")
        cursor.execute(SQL("ALTER DATABASE {} RENAME TO {}").format(name, other))
        asker = threading.Thread(target=connect)
        asker.start()
        _wait_for_lock(cursor)
        cursor.execute(SQL("ALTER DATABASE {} RENAME TO {}").format(other, name))
        cursor.execute("COMMIT")
        asker.join()

    assert answers == ["7"]


def _wait_for_lock(cursor):
    """Wait until a session waits for the lock of the database."""

    def is_waiting():
        parameters = connections["default"].get_connection_params()
        known = {key: parameters[key] for key in ("host", "port", "user")}
        connection = psycopg2.connect(**known, dbname="postgres")
        try:
            with connection.cursor() as other:
                other.execute(
                    "SELECT count(*) FROM pg_locks WHERE NOT granted "
                    "AND classid = 'pg_database'::regclass"
                )
                return other.fetchone()[0] > 0
        finally:
            connection.close()

    wait(is_waiting, "no session waits for the database")
