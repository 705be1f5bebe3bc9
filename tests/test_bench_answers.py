"""The benchmark of the questions runs and writes its report."""

import json
import os
import subprocess
import sys
from pathlib import Path

from marketplace.questions.definition import read_questions

ROOT = Path(__file__).resolve().parent.parent


def test_measures_every_question_beside_plain_tables(tmp_path):
    report = tmp_path / "answers.json"

    outcome = subprocess.run(
        [sys.executable, "-m", "bench.answers", "--scale", "0.0005", "--report", str(report)],
        cwd=ROOT,
        env=os.environ | {"DATA_DIR": str(tmp_path / "data"), "ARCHIVE_DIR": ""},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert outcome.returncode == 0, outcome.stderr
    questions = json.loads(report.read_text())["questions"]
    assert {row["question"].split()[0] for row in questions} == set(read_questions()[0])
    assert all(row["ms"] > 0 and row["ratio"] > 0 for row in questions)
