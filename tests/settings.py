"""The project's settings, with a separate server and data folder for tests.

Each worker of pytest-xdist has its own server.
"""

import os
from pathlib import Path

_HOME = Path(__file__).resolve().parent.parent / ".data" / "tests"
_data_dir = Path(os.environ.get("DATA_DIR", _HOME))
_worker = os.environ.get("PYTEST_XDIST_WORKER", "")
# Processes that a worker starts inherit the folder of the worker.
if _worker and _data_dir.name != _worker:
    _data_dir /= _worker
os.environ["DATA_DIR"] = str(_data_dir)
# Durability is off for speed. Autovacuum is off because it would analyze tables whose rows are
# rolled back with each test, so that the planner would assume empty tables.
os.environ.setdefault(
    "EMBEDDED_POSTGRES_CONF",
    "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nautovacuum = off",
)
os.environ.setdefault("EMBEDDED_RESERVE", "0")
# The data of the demonstration is the same on every day.
os.environ["DEMO_END"] = "2026-11-20"

from marketplace.settings import *  # noqa: E402, F403

# Fast. Used only for accounts that tests create.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
