"""The small inputs that once loaded wrong: outside the repository, in a folder beside it."""

import os
from pathlib import Path

import pytest

FOLDER = Path(
    os.environ.get("CASES_DIR", "") or Path(__file__).resolve().parents[2] / "shared" / "cases"
)


def path(name):
    """Return the path of a case; skip the test where the cases are not there."""
    found = FOLDER / name
    if not found.exists():
        pytest.skip(f"{found} is not there: set CASES_DIR to the folder of the cases.")
    return str(found)
