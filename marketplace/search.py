"""Full-text search: the generated columns, and the queries over them."""

from typing import Any

from django.contrib.postgres.search import SearchQuery, SearchVectorField
from django.db import models
from django.db.models import F, Func, Value
from django.db.models.functions import Coalesce

#: Stems Cyrillic words as Russian and Latin ones as English; other languages stay as they are.
CONFIGURATION = "russian"


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


def search_vector(*columns: str) -> models.GeneratedField:
    """Return a stored column with the full-text vector of some text columns."""
    texts = [Coalesce(F(column), Value("")) for column in columns]
    return models.GeneratedField(
        expression=Vector(Joined(*texts)),
        output_field=SearchVectorField(),
        db_persist=True,
    )


def search_query(text: str) -> SearchQuery:
    """Return the query for what a person typed: words, "phrases", or, -without."""
    return SearchQuery(text, config=CONFIGURATION, search_type="websearch")


class SearchableQuerySet(models.QuerySet[Any]):
    """Rows with a `search_vector`."""

    def search(self, text: str) -> "SearchableQuerySet":
        """Keep the rows that contain the words of `text`, in the forms that the stemmer unites."""
        return self.filter(search_vector=search_query(text))
