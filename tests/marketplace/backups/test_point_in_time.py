"""Point-in-time recovery from a base backup and archived WAL, on a separate server."""

from contextlib import closing

import psycopg2
import pytest

from marketplace.postgresql import programs
from tests.marketplace.stage import wait

_CONFIGURATION = """
listen_addresses = ''
unix_socket_directories = '{sockets}'
archive_mode = on
archive_command = 'test ! -f {archive}/%f && cp %p {archive}/%f'
wal_level = replica
shared_buffers = 16MB
fsync = off
timezone = 'UTC'
"""

_RECOVERY = """
restore_command = 'cp {archive}/%f %p'
recovery_target_time = '{moment}'
recovery_target_action = 'promote'
"""


class Server:
    """A separate server, which runs in the same way as the embedded one."""

    def __init__(self, folder):
        self.folder, self.data, self.archive = folder, folder / "data", folder / "archive"
        self.backup = folder / "backup"
        for path in (self.folder, self.archive):
            path.mkdir(exist_ok=True)
            programs.give_to_system_user(path)

    def run(self, program, *arguments):
        result = programs.run_program(program, *map(str, arguments))
        assert result.returncode == 0, result.stdout

    def create(self):
        self.run("initdb", "-D", self.data, "--auth=trust", "--no-sync", "-U", "postgres")
        values = {"sockets": self.folder, "archive": self.archive}
        with open(self.data / "postgresql.conf", "a") as file:
            file.write(_CONFIGURATION.format(**values))
        self.start(self.data)

    def start(self, data):
        self.run("pg_ctl", "-D", data, "-l", self.folder / "log", "-w", "start")

    def stop(self, data, mode="fast"):
        programs.run_program("pg_ctl", "-D", str(data), "-m", mode, "-w", "stop")

    def execute(self, statement):
        parameters = {"host": str(self.folder), "user": "postgres", "dbname": "postgres"}
        with closing(psycopg2.connect(**parameters)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else None

    def archived(self):
        return {path.name for path in self.archive.iterdir()}

    def finish_segment(self):
        """Archive the current WAL segment."""
        [(segment,)] = self.execute("SELECT pg_walfile_name(pg_current_wal_lsn())")
        self.execute("SELECT pg_switch_wal()")
        wait(lambda: segment in self.archived(), "the WAL is not archived")


@pytest.fixture
def server(tmp_path):
    # The path of a socket must be short.
    server = Server(tmp_path)
    server.create()
    yield server
    for data in (server.data, server.backup):
        if (data / "postmaster.pid").exists():
            server.stop(data, "immediate")


class TestRecovery:
    def test_state_at_a_time_is_restored(self, server):
        server.execute("CREATE TABLE lots AS SELECT n AS id FROM generate_series(1, 1000) AS n")
        server.run(
            "pg_basebackup",
            "-h",
            server.folder,
            "-U",
            "postgres",
            "-D",
            server.backup,
            "-X",
            "none",
            "-c",
            "fast",
            "--no-sync",
        )
        # These changes are only in the archived WAL.
        server.execute("INSERT INTO lots SELECT n FROM generate_series(1001, 1500) AS n")
        [(moment,)] = server.execute("SELECT clock_timestamp()::text")
        server.execute("DELETE FROM lots WHERE id > 10")
        server.execute("DROP TABLE lots")
        server.execute("CREATE TABLE mistakes ()")
        server.finish_segment()
        server.stop(server.data)

        with open(server.backup / "postgresql.conf", "a") as file:
            file.write(_RECOVERY.format(archive=server.archive, moment=moment))
        (server.backup / "recovery.signal").touch()
        programs.give_to_system_user(server.backup / "recovery.signal")
        server.start(server.backup)
        wait(
            lambda: server.execute("SELECT pg_is_in_recovery()") == [(False,)],
            "the recovery does not end",
        )

        assert server.execute("SELECT count(*), max(id) FROM lots") == [(1500, 1500)]
        assert server.execute("SELECT to_regclass('mistakes')") == [(None,)]
        # The server accepts writes, on a new timeline.
        server.execute("INSERT INTO lots VALUES (0)")
        assert server.execute("SELECT timeline_id FROM pg_control_checkpoint()") == [(2,)]
