"""A full disk of the embedded server is reported, and the reserve allows a restart."""

import shutil
import subprocess
import sys

import pytest
from django.db import OperationalError, connections

from ecommerce.models import LoadRun, Product
from marketplace.exceptions import DiskFullError
from marketplace.loading import retry
from marketplace.postgresql import embedded, reserve
from marketplace.postgresql.errors import explain, is_disk_full
from tests.commands import run
from tests.machine import ROOT

MB = 1024 * 1024

#: Raises the error of a table that cannot be extended.
FULL = """
DO $$ BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'disk_full',
        MESSAGE = 'could not extend file "base/1/2": No space left on device';
END $$
"""

FILL_TRIGGER = """
CREATE FUNCTION test_full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'disk_full',
        MESSAGE = 'could not extend file "base/1/2": No space left on device';
END $$;
CREATE TRIGGER test_full_disk BEFORE INSERT ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION test_full_disk();
"""


@pytest.fixture
def room(monkeypatch):
    """Return a function that sets the number of free bytes."""
    usage = shutil.disk_usage("/")

    def leave(free):
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=free))

    return leave


class TestReserve:
    def test_is_allocated_in_full(self, tmp_path):
        assert reserve.ensure(tmp_path, 4 * MB)

        stat = reserve.path_of(tmp_path).stat()
        assert (stat.st_size, stat.st_blocks * 512) == (4 * MB, 4 * MB)

    @pytest.mark.parametrize("size", [2 * MB, 8 * MB])
    def test_changes_its_size(self, tmp_path, size):
        reserve.ensure(tmp_path, 4 * MB)

        assert reserve.ensure(tmp_path, size)
        assert reserve.path_of(tmp_path).stat().st_size == size

    def test_size_zero_removes_it(self, tmp_path):
        reserve.ensure(tmp_path, 4 * MB)

        assert not reserve.ensure(tmp_path, 0)
        assert not reserve.path_of(tmp_path).exists()

    def test_is_not_created_if_it_would_fill_the_disk(self, tmp_path, room):
        room(7 * MB)

        assert not reserve.ensure(tmp_path, 4 * MB)
        assert not reserve.path_of(tmp_path).exists()

    def test_release_frees_its_space(self, tmp_path):
        reserve.ensure(tmp_path, 4 * MB)

        assert reserve.release(tmp_path) == 4 * MB
        assert reserve.release(tmp_path) == 0


class TestFullDisk:
    def test_is_reported_when_a_server_does_not_start(self, tmp_path, room):
        reserve.ensure(tmp_path, 4 * MB)
        room(4096)

        with pytest.raises(DiskFullError) as caught:
            embedded.start(tmp_path)

        assert f"The disk of {tmp_path} is full: 4.0 kB of " in str(caught.value)
        assert "needs about 64 MB to start" in str(caught.value)
        assert "python manage.py db_stop --release-reserve" in str(caught.value)
        assert "server.log" not in str(caught.value)

    def test_without_a_reserve_suggests_files_to_remove(self, tmp_path, room):
        room(4096)

        with pytest.raises(DiskFullError, match=f"but none in {tmp_path}/postgres"):
            embedded.start(tmp_path)

    def test_is_overcome_with_the_reserve(self, machine):
        """On a disk that is really full, a crashed server starts again."""
        machine.data_dir.mkdir()
        script = f"""
            mount -t tmpfs -o size=200m,mode=0755 tmpfs {machine.data_dir} || exit 77
            {sys.executable} manage.py db_create --database procurement
            fallocate -l $(df --output=avail -B1 {machine.data_dir} | tail -1) \\
                {machine.data_dir}/filler
            kill -9 $(head -1 {machine.data_dir}/postgres/postmaster.pid)
            {sys.executable} manage.py db_status --database procurement
            {sys.executable} manage.py db_stop --release-reserve
            {sys.executable} manage.py db_status --database procurement
            {sys.executable} manage.py db_stop
        """
        done = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "bash", "-c", script],
            cwd=ROOT,
            env=machine.environment | {"EMBEDDED_RESERVE": "32MB"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode == 77 or "unshare:" in done.stderr:
            pytest.skip("Only a user who may mount file systems can have a small disk.")

        full, released, running = done.stdout.partition("Released 32 MB: ")
        assert "Status: unreachable: The disk of" in full
        assert "db_stop --release-reserve" in full
        assert released
        assert "Status: connected" in running


class TestCommand:
    def test_releases_the_reserve_until_the_next_start(self, machine):
        machine.environment["EMBEDDED_RESERVE"] = "4MB"
        machine("db_create", "--database", "procurement")
        path = reserve.path_of(machine.data_dir)
        assert path.stat().st_size == 4 * MB

        done = machine("db_stop", "--release-reserve")

        assert done.stdout.startswith("Released 4.0 MB: ")
        assert done.stdout.endswith("are free now.\nStopped the embedded PostgreSQL.\n")
        assert not path.exists()
        again = machine("db_stop", "--release-reserve")
        assert again.stdout.startswith("No reserve to release: ")
        machine("db_create", "--database", "procurement")
        assert path.stat().st_size == 4 * MB

    def test_an_invalid_size_is_reported(self, machine):
        done = machine("db_stop", EMBEDDED_RESERVE="plenty")

        assert "EMBEDDED_RESERVE is plenty. Write a size such as 128MB" in done.stderr


@pytest.mark.django_db(databases=["ecommerce"], transaction=True)
class TestLoad:
    def execute(self, statement):
        with connections["ecommerce"].cursor() as cursor:
            cursor.execute(statement)

    def test_waits_for_space_and_reports_it_once(self, monkeypatch, caplog):
        monkeypatch.setattr(retry, "_FIRST_PAUSE", 0)
        tries = []

        @retry.retry
        def work(alias):
            tries.append(1)
            if len(tries) < 4:
                self.execute(FULL)
            return "done"

        assert work("ecommerce") == "done"
        [record] = caplog.records
        assert (
            "The server of ecommerce has no free disk space: could not extend file"
            in record.message
        )
        assert 'docs/operations.md, "Disk full"' in record.message

    def test_ends_with_the_command_that_resumes_it(self, settings, tmp_path):
        settings.INGEST_PATIENCE, path = 0, tmp_path / "product.json"
        path.write_text('{"payload": {"data": {"id": 1, "title": "Choynak", "skuList": []}}}')
        self.execute(FILL_TRIGGER.format(table="ecommerce_products"))
        try:
            done = run("ingest", "uzum", str(path))
        finally:
            self.execute("DROP FUNCTION test_full_disk() CASCADE")

        assert done.code == 1
        assert "has no free disk space: could not extend file" in done.err
        assert "Resume the load: python manage.py ingest --resume" in done.err
        assert run("ingest", "uzum", "--resume").code == 0
        assert Product.objects.count() == 1
        assert LoadRun.objects.get().status == "completed"

    def test_starting_on_a_full_disk_fails_immediately(self, tmp_path):
        path = tmp_path / "product.json"
        path.write_text('{"payload": {"data": {"id": 1, "title": "Choynak", "skuList": []}}}')
        self.execute(FILL_TRIGGER.format(table="ecommerce_load_runs"))
        try:
            with pytest.raises(OperationalError) as caught:
                run("ingest", "uzum", str(path))
        finally:
            self.execute("DROP FUNCTION test_full_disk() CASCADE")

        assert 'docs/operations.md, "Disk full". Then run this again.' in explain(caught.value)
        assert not LoadRun.objects.exists()

    def test_full_shared_memory_is_another_error(self):
        message = 'could not resize shared memory segment "/P": No space left on device'
        error = OperationalError(message)

        assert not is_disk_full(error)
        assert "POSTGRES_SHM" in explain(error)
