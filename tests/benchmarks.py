"""Running a benchmark as a user does."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run_benchmark(module, folder, *arguments, timeout=240):
    """Run a benchmark in a folder; return its report and its output."""
    report = folder / "report.json"
    outcome = subprocess.run(
        [sys.executable, "-m", module, *arguments, "--report", str(report)],
        cwd=ROOT,
        env=os.environ | {"DATA_DIR": str(folder / "data"), "ARCHIVE_DIR": ""},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    return json.loads(report.read_text()), outcome.stdout
