import re
import shutil
import signal
import threading
from dataclasses import replace
from io import BytesIO
from itertools import chain, repeat

import psycopg2
import pytest
from django.conf import settings
from django.db import connections
from psycopg2.sql import SQL, Identifier

from marketplace.backups import clients, files, manifests, scratch, target_databases
from marketplace.databases.creation import drop_database
from marketplace.databases.names import database_name
from marketplace.databases.roles.reconcile import reconcile
from marketplace.postgresql import embedded
from tests import factories
from tests.commands import run
from tests.marketplace.backups.conftest import (
    NAME,
    back_up,
    beside,
    connect,
    databases,
    fingerprint,
    rewrite,
    start,
)
from tests.marketplace.conftest import drop_roles
from tests.marketplace.stage import wait

pytestmark = pytest.mark.django_db(databases=["procurement"], transaction=True)

PROCUREMENT = ["--database", "procurement"]


@pytest.fixture
def live():
    """The name of a live database, which has a lot."""
    factories.lot_item()
    return database_name("procurement")


@pytest.fixture
def taken(live):
    """A set of it; since then a lot came."""
    manifest = back_up("procurement")
    factories.lot()
    return manifest


def restore(*arguments):
    return run("db_restore", NAME, *PROCUREMENT, "--force", *arguments)


def execute(name, statement, *names):
    with connect(name) as cursor:
        cursor.execute(SQL(statement).format(*map(Identifier, names)))
        return cursor.fetchall() if cursor.description else None


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
    def test_brings_back_the_same_content(self, live, settings, debug):
        settings.DEBUG = debug
        before = fingerprint(live)
        back_up("procurement")
        factories.lot()
        since = fingerprint(live)

        outcome = restore()

        assert fingerprint(live) == before
        [old] = beside("procurement")
        assert fingerprint(old) == since != before
        assert re.fullmatch(rf"{live}_old_\d{{8}}t\d{{6}}z", old)
        assert re.fullmatch(
            rf"PROCUREMENT: restored {live} from {NAME} \(\d+ tables, \d+ rows, all as dumped\)\n"
            rf"PROCUREMENT: what it replaced is {old}; drop it: "
            r"python manage.py db_restore --drop-old --database procurement\n",
            outcome.out,
        )
        assert outcome.code == 0

    def test_leaves_a_database_that_works(self, taken):
        restore()

        assert run("db_verify", *PROCUREMENT).code == 0
        # Sequences go on where they were.
        factories.lot_item()
        with (
            connections["procurement"].cursor() as cursor,
            pytest.raises(Exception, match="append"),
        ):
            factories.lot_event(lot=factories.lot())
            cursor.execute("UPDATE procurement_lot_events SET kind = 'x'")

    def test_keeps_owner_grants_and_settings_of_the_database(self, live, role):
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
        told = self.properties(live)

        outcome = restore()

        assert outcome.code == 0, outcome.err
        assert self.properties(live) == told
        [old] = beside("procurement")
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
            found = cursor.fetchall()
            cursor.execute(
                "SELECT setrole::regrole::text, setconfig FROM pg_db_role_setting WHERE "
                "setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) "
                "ORDER BY 1"
            )
            found += cursor.fetchall()
            cursor.execute(
                "SELECT relname, pg_get_userbyid(relowner), relacl::text FROM pg_class "
                "WHERE relname LIKE 'procurement%' ORDER BY 1"
            )
            found += cursor.fetchall()
            cursor.execute(
                "SELECT nspowner::regrole::text, nspacl::text FROM pg_namespace "
                "WHERE nspname = 'public'"
            )
            return found + cursor.fetchall()

    def test_gives_no_id_out_twice(self, taken, live):
        def give():
            rows = [factories.load_run("procurement", platform="uzex"), factories.lot()]
            return [row.pk for row in [*rows, factories.quarantined("procurement")]]

        given = give()
        connections["procurement"].close()

        outcome = restore()

        assert (outcome.code, "warning" in outcome.err) == (0, False)
        assert execute(live, "SELECT count(*) FROM procurement_load_runs") == [(0,)]
        assert give() == [pk + 1 for pk in given]

    def test_gives_no_id_out_that_the_set_has(self, taken, live):
        execute(live, "ALTER SEQUENCE procurement_lots_id_seq RESTART")
        execute(live, "SELECT nextval('procurement_lots_id_seq')")

        restore()

        [(last,)] = execute(live, "SELECT max(id) FROM procurement_lots")
        assert factories.lot().pk == last + 1

    def test_restores_though_the_live_database_cannot_be_read(self, taken, live):
        execute("postgres", "ALTER DATABASE {} ALLOW_CONNECTIONS false", live)

        outcome = restore()

        assert outcome.code == 0
        assert f"PROCUREMENT: warning: the sequences of {live} cannot be read: " in outcome.err
        assert execute(live, "SELECT count(*) FROM procurement_lots") == [(1,)]

    def test_shows_a_reader_the_old_state_or_the_new_one_only(self, taken, live):
        seen, stop = set(), threading.Event()
        reader = threading.Thread(target=self.read, args=(live, seen, stop))
        reader.start()
        wait(lambda: seen, "the reader reads nothing")

        outcome = restore()
        wait(lambda: 1 in seen, "the reader does not see the restored state")
        stop.set()
        reader.join()

        assert outcome.code == 0
        # One lot was there when the set was written, and a second came later.
        assert seen == {2, 1}

    def read(self, name, seen, stop):
        # A session is kept until it is ended, as in a pool.
        while not stop.is_set():
            try:
                with connect(name) as cursor:
                    while not stop.is_set():
                        cursor.execute("SELECT count(*) FROM procurement_lots")
                        seen.add(cursor.fetchone()[0])
            except psycopg2.Error as error:
                assert "does not exist" not in str(error) or "renamed" in str(error), error

    def test_brings_back_a_database_that_is_lost(self, taken, live):
        before = fingerprint(live)
        drop_database("procurement")

        outcome = restore()

        assert outcome.code == 0
        assert fingerprint(live).keys() == before.keys()
        assert beside("procurement") == []

    def test_makes_a_copy(self, taken, live):
        before = fingerprint(live)

        outcome = restore("--into", "copy_of_lots")

        assert outcome.out.startswith(f"PROCUREMENT: restored copy_of_lots from {NAME} (")
        assert execute("copy_of_lots", "SELECT count(*) FROM procurement_lots") == [(1,)]
        assert fingerprint(live) == before
        assert beside("procurement") == []

    def test_takes_a_name_as_long_as_postgresql_does(self, taken):
        outcome = restore("--into", "x" * 63)

        assert outcome.code == 0
        assert "x" * 63 in databases()

    @pytest.mark.parametrize("counted", ["as it is", "as earlier backups did"])
    def test_does_without_an_index_whose_building_failed(self, live, counted):
        with connect(live) as cursor, pytest.raises(psycopg2.errors.UniqueViolation):
            factories.lot(), factories.lot()
            cursor.execute("CREATE UNIQUE INDEX CONCURRENTLY failed ON procurement_lots (platform)")
        manifest = back_up("procurement")
        execute(live, "DROP INDEX failed")
        dump = manifest.databases["procurement"]
        number = dump.objects["indexes"]
        if counted == "as earlier backups did":
            objects = dump.objects | {"indexes": number + 1}
            rewrite(manifest, databases={"procurement": replace(dump, objects=objects)})

        outcome = restore()

        assert outcome.code == 0
        warning = f"number of indexes: {number}, but the manifest says {number + 1}."
        assert (warning in outcome.err) == (counted == "as earlier backups did")

    def test_says_what_it_would_do(self, taken, live):
        before = fingerprint(live)

        outcome = run("db_restore", NAME, *PROCUREMENT, "--dry-run")

        assert re.fullmatch(
            rf"PROCUREMENT: Would replace {live} by {live} as of [\d-]+ [\d:]+ UTC; "
            rf"what was written since is in {live}_old_\w+ only\n",
            outcome.out,
        )
        assert (fingerprint(live), beside("procurement")) == (before, [])

    def test_asks_before_it_replaces(self, taken, live, monkeypatch):
        before = fingerprint(live)
        monkeypatch.setattr("builtins.input", lambda: "yes")

        outcome = run("db_restore", NAME, *PROCUREMENT)

        assert outcome.err.startswith(f"PROCUREMENT: going to replace {live} by {live} as of ")
        assert f"Type {live} to continue: " in outcome.err
        assert outcome.code == 1
        assert fingerprint(live) == before


def test_a_program_is_quoted_with_its_reason():
    said = b"reading\npg_restore: error: permission denied\nHINT: ask\nCommand was: CREATE\n\n\n"

    complaint = clients.RunningProgram(None, BytesIO(said)).error_text()

    assert complaint == "pg_restore: error: permission denied / HINT: ask / Command was: CREATE"


class TestRoles:
    """What a role can do in a database with its locks, and with the disk."""

    LOCKS = "pg_advisory_lock(bigint)"
    FILLS = "lo_create(oid)"

    @pytest.fixture
    def restorer(self, live, monkeypatch):
        """Restore as a role that creates databases and is not a superuser."""
        reconcile("procurement")
        with connect("postgres") as cursor:
            drop_roles(cursor, "test_restorer")
        execute("postgres", "CREATE ROLE test_restorer LOGIN CREATEDB IN ROLE {}", f"{live}_owner")
        back_up("procurement")
        connections["procurement"].close()
        socket = str(embedded.socket_directory(settings.DATA_DIR))
        with monkeypatch.context() as patch:
            for key, value in {"HOST": socket, "PORT": "5432", "USER": "test_restorer"}.items():
                patch.setitem(connections["procurement"].settings_dict, key, value)
            yield
            connections["procurement"].close()
        # It owns the extensions of the copy.
        execute("postgres", "DROP DATABASE IF EXISTS a_copy WITH (FORCE)")
        execute("postgres", "DROP ROLE {}", "test_restorer")

    def may(self, name, *functions):
        """Return whether everybody and the loader may call the functions."""
        loader = f"{database_name('procurement')}_loader"
        question = f"SELECT has_function_privilege('public', '{{}}', 'EXECUTE'), \
            has_function_privilege('{loader}', '{{}}', 'EXECUTE')"
        return [execute(name, question.format(each, each))[0] for each in functions]

    @pytest.mark.parametrize("is_earlier", [False, True])
    def test_everybody_is_given_less_than_by_a_new_database(self, live, is_earlier):
        reconcile("procurement")
        if is_earlier:
            # As a version that did not know of this left it.
            execute(live, f"GRANT EXECUTE ON FUNCTION {self.LOCKS}, {self.FILLS} TO PUBLIC")
        back_up("procurement")

        outcome = restore("--into", "a_copy")

        assert outcome.code == 0
        assert self.may("a_copy", self.LOCKS, self.FILLS) == [(False, True), (False, False)]
        reconcile("procurement")

    def test_a_role_that_is_no_superuser_restores_all_the_same(self, live, restorer):
        assert self.may(live, self.LOCKS, self.FILLS) == [(False, True), (False, False)]

        outcome = restore("--into", "a_copy")

        assert "all as dumped" in outcome.out
        assert outcome.code == 0
        assert self.may("a_copy", self.LOCKS, self.FILLS) == [(True, True), (True, True)]


class TestDropOld:
    def test_drops_what_restores_replaced(self, taken, live):
        restore()
        [old] = beside("procurement")

        dry = run("db_restore", "--drop-old", *PROCUREMENT, "--dry-run")
        kept = beside("procurement")
        outcome = run("db_restore", "--drop-old", *PROCUREMENT, "--force")

        assert dry.out == f"PROCUREMENT: Would drop {old}\n"
        assert kept == [old]
        assert outcome == (f"PROCUREMENT: dropped {old}\n", "", 0)
        assert beside("procurement") == []

    def test_drops_it_at_once(self, taken):
        outcome = restore("--drop-old")

        assert outcome.code == 0
        assert beside("procurement") == []

    def test_drops_nothing_else(self, live):
        execute("postgres", "CREATE DATABASE {}", f"{live}_old_20260601t030000z")

        outcome = run("db_restore", "--drop-old", *PROCUREMENT, "--force")

        assert outcome.out == "PROCUREMENT: there is nothing that a restore has replaced\n"
        assert beside("procurement") == [f"{live}_old_20260601t030000z"]


class TestRefusals:
    @pytest.fixture(autouse=True)
    def _same_afterwards(self, taken, live):
        """Whatever is refused, or fails, leaves the live database as it was."""
        before = fingerprint(live)
        yield
        assert fingerprint(live) == before
        assert [name for name in databases() if "_restore_" in name] == []

    def refuses(self, outcome, text):
        assert text in outcome.err
        assert outcome.code == 1
        assert outcome.out == ""

    def test_of_a_database_that_the_set_lacks(self):
        outcome = run("db_restore", NAME, "--database", "classifieds", "--force")

        self.refuses(outcome, f"The set {NAME} has no classifieds: it has procurement.")

    def test_of_guessing_the_database(self):
        self.refuses(run("db_restore", NAME), "db_restore never guesses: name the database")

    def test_of_a_set_of_another_server(self, taken):
        dump = taken.databases["procurement"]
        self.become(taken, system_identifier="1", database=dump.database)

        self.refuses(restore(), f"The set {NAME} is foreign: it was made on another server.")

    def test_of_a_set_of_another_database(self, taken):
        self.become(taken, database="staging_db")

        self.refuses(restore(), "it is of staging_db, and the live database is")

    def test_of_a_set_of_another_project(self, folder):
        path = folder / NAME / manifests.MANIFEST
        path.write_text(path.read_text().replace('"marketplace"', '"other"', 1))

        self.refuses(restore(), "was changed or is damaged")

    @pytest.mark.parametrize("name", ["9999_future", "0013_standing_times"])
    def test_of_migrations_that_the_code_does_not_know(self, taken, name):
        self.become(taken, migrations={"procurement": name})

        self.refuses(restore(), f"does not know: procurement.{name}. Restore it with the code")

    def test_of_a_server_older_than_the_dump(self, taken):
        self.become(taken, server="99.1")

        self.refuses(restore(), "The dump is of PostgreSQL 99.1, and this server is ")

    def test_of_roles_that_are_missing(self, taken):
        self.become(taken, roles=["postgres", "nobody_here"])

        self.refuses(restore(), "The server lacks the roles nobody_here, to which the dump")

    def test_of_a_disk_without_room(self, monkeypatch):
        usage = shutil.disk_usage("/")
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))

        self.refuses(restore(), "The server's disk has 0 MB free, and ")

    def test_of_filling_the_disk(self, monkeypatch):
        rooms = chain([10**12], repeat(5_000_000))
        monkeypatch.setattr(target_databases, "free_bytes", lambda cursor, alias: next(rooms))
        monkeypatch.setattr(scratch, "_PAUSE", 0.001)

        self.refuses(restore(), "The server's disk has only 5 MB left: given up")

    def test_of_a_name_that_is_taken(self, live):
        execute("postgres", "CREATE DATABASE taken_name")

        outcome = restore("--into", "taken_name")

        self.refuses(outcome, "There is a database taken_name already.")

    @pytest.mark.parametrize("name", ["", " "])
    def test_of_a_copy_without_a_name(self, name):
        self.refuses(restore("--into", name), "The name for the copy (--into) is empty.")

    def test_of_a_copy_without_a_name_beside_dropping(self):
        outcome = restore("--into", "", "--drop-old")

        self.refuses(outcome, "--into goes with one --database, and not with --drop-old.")

    def test_of_a_name_that_postgresql_would_cut(self):
        outcome = restore("--into", "ж" * 32)

        self.refuses(outcome, f"{'ж' * 32} has 64 bytes, and PostgreSQL takes 63 of a name.")

    def test_of_a_set_without_a_name(self):
        outcome = run("db_restore", "", *PROCUREMENT, "--drop-old", "--force")

        self.refuses(outcome, "'' is not the name of a set")

    def test_of_a_damaged_set(self, folder):
        path = next((folder / NAME / "procurement").glob("*.gz"))
        path.write_bytes(path.read_bytes() + b"x")

        self.refuses(restore(), f"The set {NAME} is damaged: procurement/{path.name} has ")

    def test_of_what_pg_restore_cannot_read(self, taken, folder):
        dump = taken.databases["procurement"]
        key = max(dump.files, key=lambda key: (key != "toc.dat", dump.files[key].size))
        path = folder / NAME / "procurement" / key
        path.write_bytes(path.read_bytes()[:-12])
        dump.files[key] = manifests.File(path.stat().st_size, files.digest(path))
        rewrite(taken)

        outcome = restore()

        self.refuses(outcome, "pg_restore failed: ")

    def test_of_what_differs_from_the_manifest(self, taken):
        tables = taken.databases["procurement"].tables
        self.become(taken, tables=tables | {"public.procurement_lots": 3})

        self.refuses(
            restore(), "table public.procurement_lots: 1 row, but the manifest says 3 rows"
        )

    def test_of_a_second_restore_at_once(self, live):
        with connect("postgres") as cursor:
            cursor.execute(
                "SELECT pg_advisory_lock(hashtextextended(%(key)s, 0))",
                {"key": f"marketplace restore of {live}"},
            )
            outcome = restore()

        self.refuses(outcome, f"Another restore of {live} is at work.")

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
    def test_of_one_that_was_killed(self, live, number):
        process = start("db_restore", NAME, *PROCUREMENT, "--force")
        wait(lambda: beside("procurement") or process.poll() is not None, "nothing is restored")
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
        assert process.returncode != 0, output
        [*left] = beside("procurement")

        dry = run("db_restore", NAME, *PROCUREMENT, "--dry-run")
        outcome = restore("--into", "copy_of_lots")

        # Who can, tidies up; what is left is named, and removed by the next one.
        assert (left == []) == (number != signal.SIGKILL)
        for name in left:
            assert f"Would drop {name}, which an interrupted restore had left" in dry.out
            assert f"dropped {name}, which an interrupted restore had left" in outcome.err
        assert outcome.code == 0
        assert beside("procurement") == []

    def become(self, manifest, **changes):
        dump = replace(manifest.databases["procurement"], **changes)
        rewrite(manifest, databases={"procurement": dump})


class TestForeign:
    def test_replaces_when_that_is_meant(self, taken, live):
        dump = replace(taken.databases["procurement"], system_identifier="1")
        rewrite(taken, databases={"procurement": dump})

        outcome = restore("--foreign")

        assert outcome.code == 0
        assert execute(live, "SELECT count(*) FROM procurement_lots") == [(1,)]
