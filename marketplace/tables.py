"""The queries of lists over large tables: bounded counts, indexed search, sorting."""

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.contrib.postgres.search import SearchVectorField
from django.core.paginator import Paginator
from django.db import connections, models
from django.db.models import F, Q, QuerySet, Value
from django.db.models.expressions import OrderBy
from django.db.models.lookups import PostgresOperatorLookup
from django.db.transaction import atomic
from django.http import HttpRequest
from unfold import views as unfold

from marketplace.presentation import number

if TYPE_CHECKING:
    # unfold has no types: this is the class that its own derives from.
    from django.contrib.admin.views.main import ChangeList
else:
    ChangeList = unfold.ChangeList

#: Rows that a search or a filter finds at most, so that none of them reads a whole table.
FOUND_LIMIT = 10_000

#: Rows of a whole table that can be reached by turning pages.
REACHABLE = 100_000

#: Milliseconds after which a list gives up: a filter without an index may have to read millions
#: of rows to find few.
TIME_LIMIT = 15_000

_ESTIMATE = """
    SELECT coalesce(sum(greatest(reltuples, 0)), 0)::bigint FROM pg_class
    WHERE relkind = 'r' AND (
        oid = %(table)s::regclass
        OR oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = %(table)s::regclass)
    )
"""


class ListPaginator(Paginator[Any]):
    """Pages of a large table: it is never counted from end to end."""

    template_name = "admin/marketplace/pagination.html"

    @cached_property
    def _estimate(self) -> int:
        """Return the planner's estimate of all rows; 0 for a list that is filtered."""
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        if rows.query.where:
            return 0
        with connections[rows.db].cursor() as cursor:
            cursor.execute(_ESTIMATE, {"table": rows.model._meta.db_table})
            return int(cursor.fetchone()[0])

    @cached_property
    def count(self) -> int:
        """Return the number of rows: estimated if all of a large table, else counted so far."""
        if self._estimate > FOUND_LIMIT:
            return self._estimate
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return rows.order_by()[: FOUND_LIMIT + 1].count()

    @cached_property
    def num_pages(self) -> int:
        """Return the number of pages that can be opened."""
        limit = REACHABLE if self._estimate > FOUND_LIMIT else FOUND_LIMIT
        return max(1, -(-min(self.count, limit) // self.per_page))

    @property
    def count_text(self) -> str:
        """Return the number of rows as it is known: 8 123, about 812 345 or 10 000+."""
        if self._estimate > FOUND_LIMIT:
            return f"about {number(self.count)}"
        if self.count > FOUND_LIMIT:
            return f"{number(FOUND_LIMIT)}+"
        return number(self.count)


class ILike(PostgresOperatorLookup):
    """`ILIKE`, which a trigram index serves; Django's icontains is an UPPER() that it does not."""

    lookup_name = "ilike"
    postgres_operator = "ILIKE"


def contains(column: str, text: str) -> Q:
    """Keep the rows whose column has `text` in it; no sign of it is taken for a pattern."""
    pattern = re.sub(r"([\\%_])", r"\\\1", text)
    return Q(ILike(F(column), Value(f"%{pattern}%")))


def is_heavy(field: "models.Field[Any, Any]") -> bool:
    """Return whether a field is too large for a list."""
    kind = field.output_field if isinstance(field, models.GeneratedField) else field
    large = isinstance(kind, SearchVectorField | models.JSONField | models.BinaryField)
    return large or field.name == "description"


class Known(F):
    """A column by which a list is sorted, the unknown last in either direction."""

    def desc(self, **kwargs: Any) -> OrderBy:
        """Return the column, largest first."""
        return super().desc(**{"nulls_last": True, **kwargs})


class List(ChangeList):
    """A list that is read in bounded time, and whose header says no number of rows."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page's rows, and count all as far as they are counted."""
        alias = self.queryset.db
        with atomic(using=alias), connections[alias].cursor() as cursor:
            cursor.execute(
                "SELECT set_config('statement_timeout', %(limit)s, true)",
                {"limit": str(TIME_LIMIT)},
            )
            super().get_results(request)
            self.result_list: Any = list(self.result_list)
        # The pages' footer says the count, and how exact it is.
        self.full_result_count = self.result_count
