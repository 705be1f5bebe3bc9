"""The settings of the project, with a separate server, data folder and databases.

The benchmark drops and creates databases, so the databases in the environment of the user are
ignored.
"""

import os
from pathlib import Path

from marketplace.registry import ALIASES

_HOME = Path(__file__).resolve().parent.parent / ".data" / "bench"
# An absolute path, because child processes run in another folder.
os.environ["DATA_DIR"] = str(Path(os.environ.get("DATA_DIR", _HOME)).resolve())
for _name in ("marketplace", *ALIASES):
    os.environ[f"{_name.upper()}_DB"] = f"bench_{_name}"
    os.environ[f"{_name.upper()}_DATABASE_URL"] = ""
    os.environ[f"{_name.upper()}_DB_HOST"] = ""
os.environ["DB_HOST"] = ""
os.environ["ARCHIVE_DIR"] = ""
os.environ["DEMO_END"] = "2026-11-20"

from marketplace.settings import *  # noqa: E402, F403
