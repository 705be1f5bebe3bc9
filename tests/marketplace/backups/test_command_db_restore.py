import re
import threading
from dataclasses import replace
from io import BytesIO

import psycopg2
import pytest
from django.db import connections

from marketplace.backups import clients
from marketplace.databases.creation import drop_database
from tests import factories
from tests.commands import run
from tests.marketplace.backups.conftest import (
    NAME,
    back_up,
    connect,
    databases,
    execute,
    fingerprint,
    other_databases,
    restore,
    rewrite,
)
from tests.marketplace.stage import wait

pytestmark = pytest.mark.django_db(databases=["procurement"], transaction=True)
PROCUREMENT = ["--database", "procurement"]


@pytest.fixture
def role(live):
    name = "backup_reader"
    execute("postgres", "CREATE ROLE {}", name)
    yield name
    execute("postgres", "REVOKE ALL ON DATABASE {} FROM {}", live, name)
    execute("postgres", "ALTER ROLE {} IN DATABASE {} RESET ALL", name, live)
    execute(live, "DROP OWNED BY {} CASCADE", name)
    execute("postgres", "DROP ROLE {}", name)


class TestDbRestore:
    @pytest.mark.parametrize("debug", [False, True])
    def test_content_is_the_same(self, live, settings, debug):
        settings.DEBUG = debug
        before = fingerprint(live)
        back_up("procurement")
        factories.lot()
        since = fingerprint(live)

        outcome = restore()

        assert fingerprint(live) == before
        [old] = other_databases("procurement")
        assert fingerprint(old) == since != before
        assert re.fullmatch(rf"{live}_old_\d{{8}}t\d{{6}}z", old)
        assert re.fullmatch(
            rf"PROCUREMENT: restored {live} from {NAME} \(\d+ tables, \d+ rows, all as dumped\)\n"
            rf"PROCUREMENT: the replaced database is {old}; drop it: "
            r"python manage.py db_restore --drop-old --database procurement\n",
            outcome.out,
        )
        assert outcome.code == 0

    def test_restored_database_works(self, manifest):
        restore()

        assert run("db_verify", *PROCUREMENT).code == 0
        # The sequences continue.
        factories.lot_item()
        with (
            connections["procurement"].cursor() as cursor,
            pytest.raises(Exception, match="append"),
        ):
            factories.lot_event(lot=factories.lot())
            cursor.execute("UPDATE procurement_lot_events SET kind = 'x'")

    def test_owner_grants_and_settings_are_kept(self, live, role):
        for statement in (
            "REVOKE CONNECT ON DATABASE {} FROM PUBLIC",
            "ALTER DATABASE {} SET search_path = public, \"$user\", 'x y'",
            "ALTER DATABASE {} SET work_mem = '5MB'",
            "ALTER DATABASE {} CONNECTION LIMIT 77",
            "COMMENT ON DATABASE {} IS 'Ours''s'",
        ):
            execute("postgres", statement, live)
        execute("postgres", "GRANT CONNECT ON DATABASE {} TO {} WITH GRANT OPTION", live, role)
        execute("postgres", "ALTER DATABASE {} OWNER TO {}", live, role)
        execute("postgres", "ALTER ROLE {} IN DATABASE {} SET statement_timeout = '7s'", role, live)
        execute(live, "GRANT SELECT ON procurement_lots TO {}", role)
        execute(live, "ALTER TABLE procurement_references OWNER TO {}", role)
        back_up("procurement")
        expected = self.properties(live)

        outcome = restore()

        assert outcome.code == 0, outcome.err
        assert self.properties(live) == expected
        [old] = other_databases("procurement")
        execute("postgres", "DROP DATABASE {}", old)
        execute("postgres", "ALTER DATABASE {} OWNER TO postgres", live)
        execute(live, "ALTER TABLE procurement_references OWNER TO postgres")
        execute("postgres", "ALTER DATABASE {} RESET ALL", live)

    def properties(self, name):
        with connect(name) as cursor:
            cursor.execute(
                "SELECT pg_get_userbyid(datdba), "
                "(SELECT array_agg(item::text ORDER BY item::text) FROM unnest(datacl) AS item), "
                "datconnlimit, "
                "shobj_description(oid, 'pg_database') FROM pg_database "
                "WHERE datname = current_database()"
            )
            rows = cursor.fetchall()
            cursor.execute(
                "SELECT setrole::regrole::text, setconfig FROM pg_db_role_setting WHERE "
                "setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) "
                "ORDER BY 1"
            )
            rows += cursor.fetchall()
            cursor.execute(
                "SELECT relname, pg_get_userbyid(relowner), relacl::text FROM pg_class "
                "WHERE relname LIKE 'procurement%' ORDER BY 1"
            )
            rows += cursor.fetchall()
            cursor.execute(
                "SELECT nspowner::regrole::text, nspacl::text FROM pg_namespace "
                "WHERE nspname = 'public'"
            )
            return rows + cursor.fetchall()

    def test_no_id_is_assigned_twice(self, manifest, live):
        def give():
            rows = [factories.load_run("procurement", platform="uzex"), factories.lot()]
            return [row.pk for row in [*rows, factories.quarantined("procurement")]]

        given = give()
        connections["procurement"].close()

        outcome = restore()

        assert (outcome.code, "warning" in outcome.err) == (0, False)
        assert execute(live, "SELECT count(*) FROM procurement_load_runs") == [(0,)]
        assert give() == [pk + 1 for pk in given]

    def test_no_id_of_the_set_is_assigned(self, manifest, live):
        execute(live, "ALTER SEQUENCE procurement_lots_id_seq RESTART")
        execute(live, "SELECT nextval('procurement_lots_id_seq')")

        restore()

        [(last,)] = execute(live, "SELECT max(id) FROM procurement_lots")
        assert factories.lot().pk == last + 1

    def test_live_database_that_cannot_be_read(self, manifest, live):
        execute("postgres", "ALTER DATABASE {} ALLOW_CONNECTIONS false", live)

        outcome = restore()

        assert outcome.code == 0
        assert f"PROCUREMENT: warning: the sequences of {live} cannot be read: " in outcome.err
        assert execute(live, "SELECT count(*) FROM procurement_lots") == [(1,)]

    def test_reader_sees_the_old_or_the_new_state_only(self, manifest, live):
        seen, stop = set(), threading.Event()
        reader = threading.Thread(target=self.read, args=(live, seen, stop))
        reader.start()
        wait(lambda: seen, "the reader reads nothing")

        outcome = restore()
        wait(lambda: 1 in seen, "the reader does not see the restored state")
        stop.set()
        reader.join()

        assert outcome.code == 0
        # The set has one lot, and the live database two.
        assert seen == {2, 1}

    def read(self, name, seen, stop):
        # The session is kept open, as in a pool.
        while not stop.is_set():
            try:
                with connect(name) as cursor:
                    while not stop.is_set():
                        cursor.execute("SELECT count(*) FROM procurement_lots")
                        seen.add(cursor.fetchone()[0])
            except psycopg2.Error as error:
                assert "does not exist" not in str(error) or "renamed" in str(error), error

    def test_dropped_database_is_restored(self, manifest, live):
        before = fingerprint(live)
        drop_database("procurement")

        outcome = restore()

        assert outcome.code == 0
        assert fingerprint(live).keys() == before.keys()
        assert other_databases("procurement") == []

    def test_copy(self, manifest, live):
        before = fingerprint(live)

        outcome = restore("--into", "copy_of_lots")

        assert outcome.out.startswith(f"PROCUREMENT: restored copy_of_lots from {NAME} (")
        assert execute("copy_of_lots", "SELECT count(*) FROM procurement_lots") == [(1,)]
        assert fingerprint(live) == before
        assert other_databases("procurement") == []

    def test_longest_name_of_a_copy(self, manifest):
        outcome = restore("--into", "x" * 63)

        assert outcome.code == 0
        assert "x" * 63 in databases()

    def test_index_whose_build_failed_is_omitted(self, live):
        with connect(live) as cursor, pytest.raises(psycopg2.errors.UniqueViolation):
            factories.lot(), factories.lot()
            cursor.execute("CREATE UNIQUE INDEX CONCURRENTLY failed ON procurement_lots (platform)")
        back_up("procurement")
        execute(live, "DROP INDEX failed")

        assert restore().code == 0

    def test_dry_run(self, manifest, live):
        before = fingerprint(live)

        outcome = run("db_restore", NAME, *PROCUREMENT, "--dry-run")

        assert re.fullmatch(
            rf"PROCUREMENT: Would replace {live} by {live} as of [\d-]+ [\d:]+ UTC; "
            rf"later changes will be in {live}_old_\w+ only\n",
            outcome.out,
        )
        assert (fingerprint(live), other_databases("procurement")) == (before, [])

    def test_confirmation(self, manifest, live, monkeypatch):
        before = fingerprint(live)
        monkeypatch.setattr("builtins.input", lambda: "yes")

        outcome = run("db_restore", NAME, *PROCUREMENT)

        assert outcome.err.startswith(f"PROCUREMENT: going to replace {live} by {live} as of ")
        assert f"Type {live} to continue: " in outcome.err
        assert outcome.code == 1
        assert fingerprint(live) == before


def test_error_text_of_a_program():
    output = b"reading\npg_restore: error: permission denied\nHINT: ask\nCommand was: CREATE\n\n\n"

    text = clients.RunningProgram(None, BytesIO(output)).error_text()

    assert text == "pg_restore: error: permission denied / HINT: ask / Command was: CREATE"


class TestDropOld:
    def test_replaced_database_is_dropped(self, manifest, live):
        restore()
        [old] = other_databases("procurement")

        dry = run("db_restore", "--drop-old", *PROCUREMENT, "--dry-run")
        others = other_databases("procurement")
        outcome = run("db_restore", "--drop-old", *PROCUREMENT, "--force")

        assert dry.out == f"PROCUREMENT: Would drop {old}\n"
        assert others == [old]
        assert outcome == (f"PROCUREMENT: dropped {old}\n", "", 0)
        assert other_databases("procurement") == []

    def test_restore_and_drop(self, manifest):
        outcome = restore("--drop-old")

        assert outcome.code == 0
        assert other_databases("procurement") == []

    def test_other_databases_are_kept(self, live):
        execute("postgres", "CREATE DATABASE {}", f"{live}_old_20260601t030000z")

        outcome = run("db_restore", "--drop-old", *PROCUREMENT, "--force")

        assert outcome.out == "PROCUREMENT: there is no replaced database\n"
        assert other_databases("procurement") == [f"{live}_old_20260601t030000z"]


class TestForeign:
    def test_set_of_another_server_replaces_the_database_with_foreign(self, manifest, live):
        dump = replace(manifest.databases["procurement"], system_identifier="1")
        rewrite(manifest, databases={"procurement": dump})

        outcome = restore("--foreign")

        assert outcome.code == 0
        assert execute(live, "SELECT count(*) FROM procurement_lots") == [(1,)]
