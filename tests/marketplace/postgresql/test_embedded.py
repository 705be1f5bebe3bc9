"""The embedded server, with real processes and kills."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from secrets import token_urlsafe

import psycopg2
import pytest
from django.conf import settings
from django.db import connections

from marketplace.databases import health
from marketplace.postgresql import embedded
from marketplace.rollups.definition import rollups_of


def tables(data_dir, name):
    connection = psycopg2.connect(
        host=str(embedded.socket_directory(data_dir)), user=embedded.SUPERUSER, dbname=name
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        names = {name for (name,) in cursor.fetchall()}
    connection.close()
    return names


def postmaster(data_dir):
    return int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])


class TestFirstCommand:
    def test_migrate_works_and_creates_only_its_tables(self, machine):
        result = machine("migrate", "--database=procurement")

        assert (result.returncode, result.stderr) == (0, "")
        assert tables(machine.data_dir, "procurement_db") == {
            "django_migrations",
            "procurement_exchange_rates",
            "procurement_load_chunks",
            "procurement_load_runs",
            "procurement_load_sources",
            "procurement_lot_events",
            "procurement_lot_items",
            "procurement_lots",
            "procurement_organizations",
            "procurement_quarantine",
            "procurement_references",
            "procurement_rollups",
            *(rollup.table for rollup in rollups_of("procurement").values()),
        }
        for other in ("marketplace_db", "ecommerce_db", "classifieds_db"):
            assert tables(machine.data_dir, other) == set()

    def test_concurrent_commands_share_one_server(self, machine):
        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(lambda _: machine("init_all"), range(2)))

        assert [result.returncode for result in results] == [0, 0], [
            result.stderr for result in results
        ]
        assert machine("db_verify").returncode == 0

    def test_psql_is_included(self, machine):
        result = machine("dbshell", "--database=ecommerce", "--", "-Atc", "SELECT 40 + 2")

        assert result.stdout == "42\n"


class TestRecovery:
    def test_a_killed_server_is_restarted_with_its_data(self, initialized_machine):
        machine = initialized_machine
        machine("db_create")
        os.kill(postmaster(machine.data_dir), signal.SIGKILL)

        result = machine("db_verify")

        assert result.returncode == 0, result.stderr
        assert "PROCUREMENT: ok" in result.stdout

    def test_status_waits_for_crash_recovery(self, machine, settings, monkeypatch):
        machine("db_create")
        os.kill(postmaster(machine.data_dir), signal.SIGKILL)
        settings.DATA_DIR = machine.data_dir
        monkeypatch.setitem(connections["default"].settings_dict, "HOST", "")

        health.start_embedded_server(["default"])

        assert embedded.is_accepting(machine.data_dir)

    def test_a_server_without_its_socket_is_restarted(self, machine):
        machine("db_create")
        (embedded.socket_directory(machine.data_dir) / ".s.PGSQL.5432").unlink()

        result = machine("db_create")

        assert result.returncode == 0, result.stderr

    def test_stop_ends_it(self, machine):
        machine("db_create")

        result = machine("db_stop")

        assert result.stdout == "Stopped the embedded PostgreSQL.\n"
        assert not (machine.data_dir / "postgres" / "postmaster.pid").exists()
        assert not embedded.is_accepting(machine.data_dir)


class TestFolders:
    @pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system of Linux")
    def test_a_read_only_folder_is_reported(self, machine):
        result = machine("db_create", DATA_DIR="/proc/marketplace")

        assert result.returncode == 1
        assert "Cannot write /proc/marketplace" in result.stderr
        assert "Set DATA_DIR" in result.stderr
        assert "Traceback" not in result.stderr

    def test_a_long_path_has_its_socket_in_tmp(self, tmp_path):
        long = tmp_path / ("x" * 120)

        directory = embedded.socket_directory(long)

        assert not directory.is_relative_to(long)
        assert len(str(directory)) < 90

    def test_the_secret_key_is_generated_once(self, tmp_path):
        first = embedded.development_secret(tmp_path)

        assert embedded.development_secret(tmp_path) == first
        assert len(first) >= 50
        assert (tmp_path / "secret_key").stat().st_mode & 0o077 == 0


class TestExternalServers:
    @pytest.mark.parametrize(
        ("environment", "message"),
        [
            ({"DB_HOST": "127.0.0.1", "DB_PORT": "1"}, "Start the server, or correct DB_HOST"),
            ({"DB_HOST": "no-such-host.invalid"}, "Check DB_HOST"),
            (
                {"DB_HOST": "db.invalid", "ECOMMERCE_DATABASE_URL": "postgres://u@%2Fno%2Fdir/d"},
                '"/no/dir/.s.PGSQL.5432" failed',
            ),
        ],
    )
    def test_an_unreachable_server_is_reported(self, machine, environment, message):
        secrets = {"SECRET_KEY": token_urlsafe(50), "DB_PASSWORD": token_urlsafe(24)}
        result = machine("migrate", "--database=ecommerce", **secrets, **environment)

        assert result.returncode == 1
        assert message in result.stderr
        assert "Traceback" not in result.stderr

    def test_missing_tables_are_reported(self, machine):
        payload = machine.data_dir.parent / "card.json"
        payload.write_text('{"productId": 1, "skuList": []}')

        result = machine("ingest", "uzum", str(payload))

        assert result.returncode == 1
        assert "Create the tables: python manage.py init_all" in result.stderr

    def test_settings_use_the_embedded_server(self):
        assert (not os.environ.get("DB_HOST")) == settings.EMBEDDED_POSTGRES
