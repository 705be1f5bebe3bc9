"""The benchmark of backup sets runs and writes its report."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
def test_measures_and_reports(tmp_path):
    report = tmp_path / "backup.json"
    arguments = ["--products", "300", "--repeats", "2", "--report", str(report)]

    outcome = subprocess.run(
        [sys.executable, "-m", "bench.backup", *arguments],
        cwd=ROOT,
        env=os.environ | {"DATA_DIR": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert outcome.returncode == 0, outcome.stderr
    result = json.loads(report.read_text())
    [first, second] = result["turns"]
    assert first["plain_bytes"] == second["plain_bytes"] > first["gzip_bytes"] > 100_000
    assert result["bytes_ratio"] < 1
    assert "size over plain dumps" in outcome.stdout
