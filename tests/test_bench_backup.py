"""The benchmark of backup sets runs and writes its report."""

import pytest

from tests.benchmarks import run_benchmark


@pytest.mark.slow
def test_measures_and_reports(tmp_path):
    result, output = run_benchmark("bench.backup", tmp_path, "--products", "300", "--repeats", "2")

    [first, second] = result["turns"]
    assert first["plain_bytes"] == second["plain_bytes"] > first["gzip_bytes"] > 100_000
    assert result["bytes_ratio"] < 1
    assert "size over plain dumps" in output
