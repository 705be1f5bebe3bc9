"""Public test suites. They are in a folder outside the repository."""

import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "shared" / "suites"


def members(name: str) -> dict[str, bytes]:
    """Return path → content of an archive's files, or skip the test if it is missing."""
    path = ROOT / name
    if not path.is_file():
        pytest.skip(f"the suite is not at {path}")
    with tarfile.open(path) as archive:
        files = (member for member in archive.getmembers() if member.isfile())
        return {member.name: archive.extractfile(member).read() for member in files}
