"""Real payloads that tests read. They are in a folder outside the repository."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(
    os.environ.get("MARKETPLACE_PAYLOADS")
    or Path(__file__).resolve().parents[2] / "shared" / "payloads"
)


def path(name: str) -> Path:
    """Return the file's path, or skip the test if the payloads are missing."""
    if not ROOT.is_dir():
        pytest.skip(f"real payloads are not at {ROOT}; set MARKETPLACE_PAYLOADS to their folder")
    return ROOT / name


def read(name: str) -> bytes:
    """Return the file's bytes, unpacked."""
    data = path(name).read_bytes()
    return gzip.decompress(data) if name.endswith(".gz") else data


def read_json(name: str) -> Any:
    """Return the file as JSON."""
    return json.loads(read(name))
