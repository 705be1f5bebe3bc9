"""A machine without a database server, on which tests run commands in new processes."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

#: The configuration of the servers of machines: nothing must survive a crash of the real machine.
CONFIGURATION = "fsync = off\nfull_page_writes = off"

#: Parts of variable names that configure databases.
_DATABASE_VARIABLES = (
    "DB_",
    "_POSTGRES",
    "DATABASE_URL",
    "DATA_DIR",
    "DJANGO_SETTINGS",
    "SECRET_KEY",
)


class Machine:
    """Runs commands in new processes, on a machine without a database server."""

    def __init__(self, data_dir):
        self.data_dir = data_dir
        clean = {
            k: v
            for k, v in os.environ.items()
            if not any(name in k for name in _DATABASE_VARIABLES)
        }
        self.environment = clean | {
            "DATA_DIR": str(data_dir),
            "PYTHONUNBUFFERED": "1",
            "EMBEDDED_POSTGRES_CONF": CONFIGURATION,
        }

    def __call__(self, *arguments, **environment):
        """Run a command and wait for it."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(self, *arguments):
        """Start a command that runs until it is stopped."""
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
