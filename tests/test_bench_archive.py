"""The benchmark of the archive runs and writes its report."""

from tests.benchmarks import run_benchmark


def test_measures_and_reports(tmp_path):
    arguments = ("--rows", "2400", "--repeats", "1")
    result, output = run_benchmark("bench.archive", tmp_path, *arguments, timeout=120)

    assert result["rows"] == 2400
    assert [figure["target"] for figure in result["figures"]] == [10, 10, 10, 50]
    assert "removing a month" in output
