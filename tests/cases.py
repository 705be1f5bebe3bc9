"""Small inputs that were loaded wrongly before. They are in a folder outside the repository."""

import os
from pathlib import Path

import pytest

FOLDER = Path(
    os.environ.get("CASES_DIR", "") or Path(__file__).resolve().parents[2] / "shared" / "cases"
)


def path(name):
    """Return the path of a case, or skip the test if it is missing."""
    file = FOLDER / name
    if not file.exists():
        pytest.skip(f"{file} does not exist: set CASES_DIR to the folder of the cases.")
    return str(file)
