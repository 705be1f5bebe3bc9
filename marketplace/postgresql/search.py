"""Full-text search: the vectors, stored in a column or in an index only, and the queries."""

import re
from collections.abc import Iterable
from typing import Any

from django.contrib.postgres.search import SearchQuery, SearchVectorExact, SearchVectorField
from django.db import models
from django.db.models import F, Func, Value
from django.db.models.functions import Coalesce

#: Stems Cyrillic words as Russian and Latin ones as English; other languages stay as they are.
CONFIGURATION = "russian"

#: Minus signs in front of a word: PostgreSQL takes each for a NOT, and fails if more than 32 are
#: nested. It skips the other characters.
_NESTED_NOT = re.compile(r"(?<![^\s!&|()])-[\s!&|()-]*-")


class Vector(Func):
    """The full-text vector of a text."""

    # A literal, because a generated column takes only the two-argument form with a constant.
    template = f"to_tsvector('{CONFIGURATION}'::regconfig, %(expressions)s)"
    output_field = SearchVectorField()


class Joined(Func):
    """Texts, one behind the other."""

    # Django's Concat is not immutable for PostgreSQL, as a generated column must be.
    template = "(%(expressions)s)"
    arg_joiner = " || ' ' || "
    output_field = models.TextField()


def vector_of(*columns: str) -> Vector:
    """Return the full-text vector of some text columns.

    An index on it needs a third of what it takes to store it besides; each row that is found is
    checked against its text.
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
    """Return the query for what a person typed: words, "phrases", or, -without."""
    text = _NESTED_NOT.sub(" ", text)
    return SearchQuery(text, config=CONFIGURATION, search_type="websearch")


def matching(columns: Iterable[str], text: str) -> SearchVectorExact:
    """Return the condition that the text of some columns has what a person typed."""
    return SearchVectorExact(vector_of(*columns), search_query(text))


class SearchableQuerySet(models.QuerySet[Any]):
    """Rows with a `search_vector`, or of a model with SEARCHED: the columns of its index."""

    def search(self, text: str) -> "SearchableQuerySet":
        """Keep the rows that contain the words of `text`, in the forms that the stemmer unites."""
        searched = getattr(self.model, "SEARCHED", None)
        if searched:
            return self.filter(matching(searched, text))
        return self.filter(search_vector=search_query(text))
