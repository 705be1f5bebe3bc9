"""The project's settings, with a server and a data folder of the tests' own.

Each worker of pytest-xdist has a server of its own.
"""

import os
from pathlib import Path

_HOME = Path(__file__).resolve().parent.parent / ".data" / "tests"
_data_dir = Path(os.environ.get("DATA_DIR", _HOME))
_worker = os.environ.get("PYTEST_XDIST_WORKER", "")
# A process that a worker starts inherits the folder of the worker.
if _worker and _data_dir.name != _worker:
    _data_dir /= _worker
os.environ["DATA_DIR"] = str(_data_dir)
# A crash of the machine may cost a test run its data: that buys speed. Autovacuum would analyze
# tables whose rows are rolled back with each test, and have them planned for as empty.
os.environ.setdefault(
    "EMBEDDED_POSTGRES_CONF",
    "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nautovacuum = off",
)
os.environ.setdefault("EMBEDDED_RESERVE", "0")

from marketplace.settings import *  # noqa: E402, F403

# Fast, and only ever used for accounts that a test creates.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
