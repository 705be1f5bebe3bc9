"""The benchmark of the questions runs and writes its report."""

from marketplace.questions.definition import read_questions
from tests.benchmarks import run_benchmark


def test_measures_every_question_beside_plain_tables(tmp_path):
    result, _ = run_benchmark("bench.answers", tmp_path, "--scale", "0.0005")

    questions = result["questions"]
    assert {row["question"].split()[0] for row in questions} == set(read_questions()[0])
    assert all(row["ms"] > 0 and row["ratio"] > 0 for row in questions)
