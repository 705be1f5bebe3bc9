"""The sample of a source that shows its decimal mark. No entry of the sample is lost."""

import gzip

import pytest

from marketplace.exceptions import SourceError
from marketplace.loading.formats import decimal_marks, documents
from marketplace.loading.formats.decimal_marks import take_sample


def test_an_error_within_the_sample_is_raised_after_it():
    def failing():
        yield from (1, 2)
        raise EOFError

    start, rest = decimal_marks.take_sample(failing())

    assert start == [1, 2]
    with pytest.raises(EOFError):
        next(rest)


def test_the_offers_of_a_truncated_archive_are_read(tmp_path):
    note = "<description>" + "x" * 4000 + "</description>"
    offers = "".join(f'<offer id="{n}"><price>{n}</price>{note}</offer>' for n in range(1, 151))
    packed = gzip.compress(f"<yml_catalog><shop>{offers}</shop></yml_catalog>".encode(), 0)
    path = tmp_path / "feed.xml.gz"
    path.write_bytes(packed[: len(packed) // 2])
    ids = []

    with pytest.raises(SourceError, match="truncated"):
        for entry in documents.read(str(path)):
            ids.append(entry.document["offer"]["@id"])

    # The reader may lose the last block, which is incomplete.
    assert len(ids) > 50


def test_a_sample_of_large_entries_is_short():
    entries = [{"offer": {"name": ["x" * (9 << 20)]}}] * 5

    start, rest = take_sample(iter(entries))

    assert len(start) == 2
    assert len(list(rest)) == 3
