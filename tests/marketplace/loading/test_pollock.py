"""Polluted CSV files of a public benchmark are read correctly, or reported as damaged."""

import csv
import io
from collections import Counter

from marketplace.exceptions import SourceError
from marketplace.loading.formats import delimited
from marketplace.loading.formats.delimited import Layout
from tests import suites

#: Two tables in one file with the same columns: the rows of the second are read, too.
UNDECIDED = {"file_multitable_same.csv"}


def score(polluted, clean):
    """Return the outcome for a file: right, rejected (in part), refused, or wrong."""
    expected = list(csv.reader(io.StringIO(clean.decode(), newline="")))[1:]
    wanted = Counter(tuple(cell.strip() for cell in row) for row in expected)
    try:
        stream = io.BufferedReader(io.BytesIO(polluted))
        entries = list(delimited.read(stream, Layout()))
    except SourceError:
        return "refused"
    documents = [entry.document for entry in entries if not entry.fault]
    rows = Counter(tuple(cell.strip() for cell in row.values()) for row in documents)
    faults = len(entries) - len(documents)
    missing = (wanted - rows).total()
    if rows - wanted or missing > faults:
        return "wrong"
    return "rejected" if faults else "right"


def test_polluted_tables_are_never_misread():
    files = suites.members("pollock-sample.tar.gz")
    names = [path.removeprefix("pollock/csv/") for path in files if "/csv/" in path]

    outcomes = {
        name: score(files[f"pollock/csv/{name}"], files[f"pollock/clean/{name}"]) for name in names
    }

    assert {name for name, outcome in outcomes.items() if outcome == "wrong"} <= UNDECIDED
    assert Counter(outcomes.values()) == {"rejected": 162, "right": 8, "refused": 2, "wrong": 1}
