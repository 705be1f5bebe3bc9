"""Full-text search: vectors, stored in a column or only in an index, and queries."""

import re
from collections.abc import Iterable
from typing import Any

from django.contrib.postgres.search import SearchQuery, SearchVectorExact, SearchVectorField
from django.db import models
from django.db.models import F, Func, Value
from django.db.models.functions import Coalesce

#: Stems Cyrillic words as Russian and Latin words as English; others remain unchanged.
CONFIGURATION = "russian"

#: Repeated minus signs before a word: PostgreSQL parses each as NOT and fails if more than 32 are
#: nested. It ignores the other characters.
_NESTED_NOT = re.compile(r"(?<![^\s!&|()])-[\s!&|()-]*-")


class Vector(Func):
    """The full-text vector of a text."""

    # A literal: generated columns require the two-argument form with a constant.
    template = f"to_tsvector('{CONFIGURATION}'::regconfig, %(expressions)s)"
    output_field = SearchVectorField()


class Joined(Func):
    """The concatenation of texts, separated by blanks."""

    # Django's Concat is not immutable, as generated columns require.
    template = "(%(expressions)s)"
    arg_joiner = " || ' ' || "
    output_field = models.TextField()


def vector_of(*columns: str) -> Vector:
    """Return the full-text vector of some text columns.

    An index on this expression needs a third of a stored column's space. PostgreSQL rechecks
    each matching row against its text.
    """
    return Vector(Joined(*[Coalesce(F(column), Value("")) for column in columns]))


def search_vector(*columns: str) -> models.GeneratedField:
    """Return a stored column with the full-text vector of some text columns."""
    return models.GeneratedField(
        expression=vector_of(*columns),
        output_field=SearchVectorField(),
        db_persist=True,
    )


def search_query(text: str) -> SearchQuery:
    """Return the query for a user's input: words, "phrases", or, -excluded."""
    text = _NESTED_NOT.sub(" ", text)
    return SearchQuery(text, config=CONFIGURATION, search_type="websearch")


def matching(columns: Iterable[str], text: str) -> SearchVectorExact:
    """Return the condition that some text columns match a user's input."""
    return SearchVectorExact(vector_of(*columns), search_query(text))


class SearchableQuerySet(models.QuerySet[Any]):
    """Rows of a model with a `search_vector`, or with SEARCHED, the columns of its index."""

    def search(self, text: str) -> "SearchableQuerySet":
        """Filter rows that contain the words of `text`, in any form with the same stem."""
        searched = getattr(self.model, "SEARCHED", None)
        if searched:
            return self.filter(matching(searched, text))
        return self.filter(search_vector=search_query(text))
