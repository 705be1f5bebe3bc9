"""Counts and nouns in messages."""

import pytest

from marketplace.humanize import counted


class TestCounted:
    @pytest.mark.parametrize(
        ("count", "expected"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (4000, "4,000 rows")]
    )
    def test_agrees_with_its_noun(self, count, expected):
        assert counted(count, "row") == expected

    def test_accepts_irregular_plurals(self):
        assert [counted(n, "index", "indexes") for n in (1, 2)] == ["1 index", "2 indexes"]
