"""The benchmark of the archive runs and writes its report."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_measures_and_reports(tmp_path):
    report = tmp_path / "archive.json"
    arguments = ["--rows", "2400", "--repeats", "1", "--report", str(report)]

    outcome = subprocess.run(
        [sys.executable, "-m", "bench.archive", *arguments],
        cwd=ROOT,
        env=os.environ | {"DATA_DIR": str(tmp_path / "data"), "ARCHIVE_DIR": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert outcome.returncode == 0, outcome.stderr
    result = json.loads(report.read_text())
    assert result["rows"] == 2400
    assert [figure["target"] for figure in result["figures"]] == [10, 10, 10, 50]
    assert "removing a month" in outcome.stdout
