"""Defects of sessions: locks, long and idle transactions, blocked queries."""

from contextlib import closing
from threading import Thread

import psycopg2

from .defects import (
    findings_of,
    is_only,
    run_until_canceled,
    wait_for_session,
)


class TestSessions:
    def test_locks_of_one_session(self, execute, session):
        with session("classifieds") as opened:
            opened.cursor().execute(
                "SELECT count(pg_advisory_lock(id)) FROM generate_series(1, 8000) AS id"
            )
            findings = findings_of("locks-many")

        assert is_only("classifieds", findings)
        assert "holds 8,0" in findings["classifieds"][0].what

    def test_analyst_without_a_timeout(self, execute, socket):
        role, query = "doctor_classifieds_analyst", "SELECT pg_sleep(60)"
        execute("classifieds", f"ALTER ROLE {role} LOGIN")
        with closing(psycopg2.connect(host=socket, dbname="doctor_classifieds", user=role)) as own:
            own.cursor().execute("SET statement_timeout = 0")
            sleeper = Thread(target=run_until_canceled, args=(own, query))
            sleeper.start()
            pid = own.info.backend_pid
            wait_for_session(execute, "classifieds", f"pid = {pid} AND query = '{query}'")

            findings = findings_of("analyst-statement-long")
            execute("classifieds", f"SELECT pg_cancel_backend({pid})")
            sleeper.join()

        execute("classifieds", f"ALTER ROLE {role} NOLOGIN")
        assert is_only("classifieds", findings)
        assert "ANALYST_STATEMENT_TIMEOUT is 5 minutes" in findings["classifieds"][0].what

    def test_long_transaction(self, execute, session):
        query = "SELECT pg_sleep(60)"
        with session("procurement") as opened:
            sleeper = Thread(target=run_until_canceled, args=(opened, query))
            sleeper.start()
            pid = opened.info.backend_pid
            wait_for_session(execute, "procurement", f"pid = {pid} AND query = '{query}'")

            findings = findings_of("transaction-long")
            execute("procurement", f"SELECT pg_cancel_backend({pid})")
            sleeper.join()

        assert is_only("procurement", findings)
        assert query in findings["procurement"][0].what

    def test_idle_transaction(self, execute, session):
        with session("ecommerce") as opened, opened.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT 1")

            findings = findings_of("transaction-idle")
            subject = f"session {opened.info.backend_pid}"

        assert is_only("ecommerce", findings)
        assert findings["ecommerce"][0].subject == subject

    def test_blocked_query(self, execute, session):
        execute("classifieds", "CREATE TABLE seeded.narrow (id int)")
        with session("classifieds") as holder, session("classifieds") as waiter:
            holder.cursor().execute("BEGIN")
            holder.cursor().execute("LOCK TABLE seeded.narrow")
            thread = Thread(target=waiter.cursor().execute, args=("TABLE seeded.narrow",))
            thread.start()
            pid, blocker = waiter.info.backend_pid, holder.info.backend_pid
            wait_for_session(execute, "classifieds", f"pid = {pid} AND wait_event_type = 'Lock'")

            findings = findings_of("query-blocked")
            holder.cursor().execute("ROLLBACK")
            thread.join()

        assert is_only("classifieds", findings)
        assert findings["classifieds"][0].evidence["blockers"] == [blocker]

    def test_prepared_transaction(self, execute):
        execute("ecommerce", "BEGIN", "SELECT pg_current_xact_id()", "PREPARE TRANSACTION 'left'")
        try:
            findings = findings_of("transaction-prepared")
        finally:
            execute("ecommerce", "ROLLBACK PREPARED 'left'")

        assert is_only("ecommerce", findings)
        assert findings["ecommerce"][0].subject == "left"
