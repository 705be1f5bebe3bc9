"""The project's settings, with a server, a data folder and databases of the benchmark's own.

The benchmark drops and creates databases all the time: whatever the environment says of a user's
databases, none of them may be meant.
"""

import os
from pathlib import Path

from marketplace.registry import ALIASES

_HOME = Path(__file__).resolve().parent.parent / ".data" / "bench"
# Absolute: processes that are started from here run in another folder.
os.environ["DATA_DIR"] = str(Path(os.environ.get("DATA_DIR", _HOME)).resolve())
for _name in ("marketplace", *ALIASES):
    os.environ[f"{_name.upper()}_DB"] = f"bench_{_name}"
    os.environ[f"{_name.upper()}_DATABASE_URL"] = ""
    os.environ[f"{_name.upper()}_DB_HOST"] = ""
os.environ["DB_HOST"] = ""
os.environ["ARCHIVE_DIR"] = ""

from marketplace.settings import *  # noqa: E402, F403
