"""A PgBouncer in front of the tests' server, with the configuration of docker compose.

With TEST_PGBOUNCER=1 in the environment, Django connects to the databases through it, in
transaction mode.
"""

import os
import shutil
import socket
import subprocess
import time
from contextlib import closing
from pathlib import Path

import psycopg2
from django.conf import settings

from marketplace.postgresql import embedded, programs

INI = Path(settings.BASE_DIR) / "deploy" / "pgbouncer" / "pgbouncer.ini"

#: The reason for skipping tests without PgBouncer.
ABSENT = "PgBouncer is not installed: apt-get install pgbouncer"

#: Settings that the tests replace, and those that older versions do not support.
_REPLACED = {"%include", "listen_addr", "unix_socket_dir", "auth_type", "auth_file"}
_NEW = {"max_prepared_statements"}

#: Settings that make tests with a stopped or hanging server faster.
_FAST = ["server_check_delay = 0", "log_connections = 0", "default_pool_size = 20"]


def program() -> str | None:
    """Return the path of PgBouncer, or None if it is not installed."""
    return shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")


class Pooler:
    """PgBouncer on a port of this machine, in front of servers on sockets.

    :param folder: for its files; must be accessible to the user that runs the servers
    :param sockets: name of a database, or * for all → folder of its server's socket
    """

    def __init__(self, folder: Path, sockets: dict[str, Path]):
        self.folder, self.sockets = folder, sockets
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        users = self.folder / "userlist.txt"
        users.write_text(f'"{embedded.SUPERUSER}" ""\n')
        ini = self.folder / "pgbouncer.ini"
        ini.write_text("\n".join([*self._lines(), ""]))
        arguments = ["-u", programs.SYSTEM_USER] if os.geteuid() == 0 else []
        self.log = (self.folder / "pgbouncer.log").open("w")
        self.process = subprocess.Popen(
            [program(), *arguments, str(ini)], stdout=self.log, stderr=subprocess.STDOUT
        )
        deadline = time.monotonic() + 10
        while True:
            try:
                self.command("SHOW VERSION")
                return
            except psycopg2.OperationalError:
                assert self.process.poll() is None, (self.folder / "pgbouncer.log").read_text()
                assert time.monotonic() < deadline, "PgBouncer did not start"
                time.sleep(0.05)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        self.log.close()

    def command(self, text: str) -> None:
        """Run a command in PgBouncer's console."""
        connection = psycopg2.connect(
            host="127.0.0.1", port=self.port, user=embedded.SUPERUSER, dbname="pgbouncer"
        )
        connection.autocommit = True
        with closing(connection), connection.cursor() as cursor:
            cursor.execute(text)

    def close_idle(self) -> None:
        """Close server connections as soon as they are idle, so that databases can be dropped."""
        self.command("RECONNECT")
        self.command("WAIT_CLOSE")

    def _lines(self) -> list[str]:
        names = _REPLACED | (_NEW if self._version() < (1, 21) else set())
        lines = INI.read_text().splitlines()
        remaining = [line for line in lines if line.split("=")[0].split(" ")[0] not in names]
        remaining = [line for line in remaining if not line.startswith("listen_port")]
        return [
            "[databases]",
            *(f"{name} = host={folder} port=5432" for name, folder in self.sockets.items()),
            *remaining,
            "listen_addr = 127.0.0.1",
            f"listen_port = {self.port}",
            "unix_socket_dir =",
            "auth_type = trust",
            f"auth_file = {self.folder / 'userlist.txt'}",
            f"admin_users = {embedded.SUPERUSER}",
            *_FAST,
        ]

    @staticmethod
    def _version() -> tuple[int, ...]:
        result = subprocess.run(
            [program(), "--version"], capture_output=True, text=True, check=True
        )
        return tuple(map(int, result.stdout.split()[1].split(".")[:2]))
