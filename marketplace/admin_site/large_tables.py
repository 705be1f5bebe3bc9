"""Lists of large tables: bounded counts and pages, sorting, conditions that use an index."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.views.main import ORDER_VAR
from django.contrib.postgres.search import SearchVectorField
from django.core.paginator import Paginator
from django.db import connections, models
from django.db.models import F, Q, QuerySet, Value
from django.db.models.constants import LOOKUP_SEP
from django.db.models.expressions import OrderBy
from django.db.models.lookups import PostgresOperatorLookup
from django.db.transaction import atomic
from django.http import HttpRequest
from unfold import views as unfold

from marketplace.admin_site.formatting import CURRENCIES, SOM, label, number
from marketplace.exceptions import BadParameterError

if TYPE_CHECKING:
    # unfold has no types. Its class derives from this one.
    from django.contrib.admin.views.main import ChangeList
else:
    ChangeList = unfold.ChangeList

#: Rows that a search or filter counts and returns at most, so that none reads a whole table.
MATCH_LIMIT = 10_000

#: Rows of an unfiltered table that its pages show at most.
BROWSE_LIMIT = 100_000

#: Milliseconds after which a query of a list is cancelled: a filter without an index may have to
#: read millions of rows to find a few.
QUERY_TIMEOUT = 15_000

#: Rows that are sorted by a column without an index at most.
SORT_LIMIT = 1_000_000

_ESTIMATE = """
    SELECT coalesce(sum(greatest(reltuples, 0)), 0)::bigint FROM pg_class
    WHERE relkind = 'r' AND (
        oid = %(table)s::regclass
        OR oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = %(table)s::regclass)
    )
"""


class ListPaginator(Paginator[Any]):
    """Pages of a large table, without counting all of its rows."""

    template_name = "admin/marketplace/pagination.html"

    @cached_property
    def _estimate(self) -> int:
        """Return the planner's estimate of all rows; 0 for a list with filters."""
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        if rows.query.where:
            return 0
        with connections[rows.db].cursor() as cursor:
            cursor.execute(_ESTIMATE, {"table": rows.model._meta.db_table})
            return int(cursor.fetchone()[0])

    @cached_property
    def count(self) -> int:
        """Return the estimate for a large table, otherwise a count of MATCH_LIMIT + 1 at most."""
        if self._estimate > MATCH_LIMIT:
            return self._estimate
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return rows.order_by()[: MATCH_LIMIT + 1].count()

    @cached_property
    def num_pages(self) -> int:
        """Return the number of pages that can be opened."""
        limit = BROWSE_LIMIT if self._estimate > MATCH_LIMIT else MATCH_LIMIT
        return max(1, -(-min(self.count, limit) // self.per_page))

    def validate_number(self, number: Any) -> int:
        """Return the number of an existing page: the last one for numbers beyond the end.

        Rows may have been deleted since the link was made. The limit of pages also keeps
        PostgreSQL from reading a whole table to skip the rows before a page.
        """
        return super().validate_number(min(int(number), self.num_pages))

    @property
    def count_text(self) -> str:
        """Return the number of rows with its precision: 8 123, about 812 345 or 10 000+."""
        if self._estimate > MATCH_LIMIT:
            return f"about {number(self.count)}"
        if self.count > MATCH_LIMIT:
            return f"{number(MATCH_LIMIT)}+"
        return number(self.count)


class ILike(PostgresOperatorLookup):
    """`ILIKE`, which can use a trigram index; Django's icontains with `UPPER()` cannot."""

    lookup_name = "ilike"
    postgres_operator = "ILIKE"


def contains(column: str, text: str) -> Q:
    """Return the condition that a column contains `text`, which is not read as a pattern."""
    pattern = re.sub(r"([\\%_])", r"\\\1", text)
    return Q(ILike(F(column), Value(f"%{pattern}%")))


def is_large_field(field: "models.Field[Any, Any]") -> bool:
    """Return whether the values of a field are too large for a list."""
    kind = field.output_field if isinstance(field, models.GeneratedField) else field
    is_large = isinstance(kind, SearchVectorField | models.JSONField | models.BinaryField)
    return is_large or field.name == "description"


class NullsLast(F):
    """A column by which a list is sorted, with NULLs last in both directions."""

    def desc(self, **kwargs: Any) -> OrderBy:
        """Return the column in descending order."""
        return super().desc(**{"nulls_last": True, **kwargs})


def is_nullable(model: type[models.Model], path: str) -> bool:
    """Return whether a column of the model, or of a related one, may be NULL."""
    *relations, name = path.removeprefix("-").split(LOOKUP_SEP)
    for relation in relations:
        foreign_key: Any = model._meta.get_field(relation)
        if foreign_key.null:
            return True
        model = foreign_key.related_model
    if name == "pk":
        return False
    field: Any = model._meta.get_field(name)
    # The nullability of a generated field is that of its output field.
    is_generated = isinstance(field, models.GeneratedField)
    return bool(field.output_field.null if is_generated else field.null)


@contextmanager
def query_timeout(alias: str) -> Iterator[None]:
    """Run queries in a transaction in which each is cancelled after QUERY_TIMEOUT."""
    with atomic(using=alias):
        with connections[alias].cursor() as cursor:
            cursor.execute(
                "SELECT set_config('statement_timeout', %(limit)s, true)",
                {"limit": str(QUERY_TIMEOUT)},
            )
        yield


def main_currency(rows: QuerySet[Any]) -> str:
    """Return UZS if any row has it, otherwise the most frequent currency; empty if none has one.

    At most MATCH_LIMIT rows are counted.
    """
    priced = rows.order_by().exclude(currency=None)
    if priced.filter(currency=SOM).exists():
        return SOM
    counts = Counter(priced.values_list("currency", flat=True)[:MATCH_LIMIT])
    return next((str(currency) for currency, _ in counts.most_common(1)), "")


class LargeTableChangeList(ChangeList):
    """A list that is read in bounded time, and whose header shows no number of rows."""

    model_admin: Any
    sortable_by: Any

    #: Currency to which the list was restricted to compare amounts; empty if it was not.
    currency = ""

    def get_ordering_field(self, field_name: Any) -> Any:
        """Return the sort key of a column with NULLs last, or None if it is not sortable."""
        if field_name not in self.sortable_by:
            return None
        order: Any = super().get_ordering_field(field_name)
        is_nullable_name = isinstance(order, str) and is_nullable(self.model, order)
        return NullsLast(order) if is_nullable_name else order

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Return the order; the default one if sorting would have to read too many rows.

        :raises BadParameterError: if the URL names a column that is not sortable
        """
        self._validate_order()
        unindexed = self._sorted_names() & set(self.model_admin.sortable_without_index)
        is_searchless = unindexed and not self.query
        if is_searchless and queryset.order_by()[: SORT_LIMIT + 1].count() > SORT_LIMIT:
            self.params.pop(ORDER_VAR)
            messages.warning(
                request,
                f"The list has more than {number(SORT_LIMIT)} rows, too many to sort by "
                f"{label(unindexed.pop())}. Search or add a filter first.",
            )
        return super().get_ordering(request, queryset)

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> QuerySet[Any]:
        """Return the rows, of one currency only if their amounts are compared."""
        # Some filters and searches run queries of their own.
        with query_timeout(self.root_queryset.db):
            rows = super().get_queryset(request, exclude_parameters)
            if request.GET.get("currency") or not self._compares_amounts(request):
                return rows
            self.currency = main_currency(rows)
        return rows.filter(currency=self.currency) if self.currency else rows

    @property
    def is_filtered(self) -> bool:
        """Whether the list has a condition, so that it may not show all rows of the table."""
        return bool(self.queryset.query.where)

    @property
    def currency_title(self) -> str:
        """The name of the currency to which the list was restricted."""
        return dict(CURRENCIES).get(self.currency, self.currency)

    @property
    def other_currencies(self) -> list[tuple[str, str]]:
        """The currencies that the user can choose instead: code and name."""
        return [currency for currency in CURRENCIES if currency[0] != self.currency]

    def get_results(self, request: HttpRequest) -> None:
        """Read the rows of the page and the bounded count."""
        with query_timeout(self.queryset.db):
            super().get_results(request)
            self.result_list: Any = list(self.result_list)
        self.page_num = min(self.page_num, self.paginator.num_pages)
        # The footer shows the count with its precision.
        self.full_result_count = self.result_count

    def _validate_order(self) -> None:
        for index in self.get_ordering_field_columns() if self.params.get(ORDER_VAR) else ():
            columns = self.list_display[index : index + 1]
            if not columns or not self.get_ordering_field(columns[0]):
                raise BadParameterError(
                    f"Column {index} of this list cannot be sorted. Click the title of a column "
                    "that can.",
                    ORDER_VAR,
                )

    def _sorted_names(self) -> set[str]:
        """Return the names of the columns by which the user sorts."""
        if not self.params.get(ORDER_VAR):
            return set()
        count = len(self.list_display)
        indexes = [index for index in self.get_ordering_field_columns() if index < count]
        orders = [self.get_ordering_field(self.list_display[index]) for index in indexes]
        return {getattr(order, "name", order) for order in orders if order}

    def _compares_amounts(self, request: HttpRequest) -> bool:
        """Return whether the user filters or sorts by amounts of money."""
        amounts = self.model_admin.amounts
        parameters = [f"{name}_{end}" for name in amounts for end in ("from", "to")]
        is_filtered = any(request.GET.get(name, "").strip() for name in parameters)
        return is_filtered or bool(self._sorted_names() & set(amounts))
