"""The queries of lists over large tables: bounded counts, indexed search, sorting."""

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

#: Rows that are sorted by a column without an index at most.
SORTED_LIMIT = 1_000_000

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

    def validate_number(self, number: Any) -> int:
        """Return the number of a page that exists: the last one for those beyond the end.

        Rows may have gone since the link was made, and no page is so far that PostgreSQL would
        have to read a whole table to skip the rows before it.
        """
        return super().validate_number(min(int(number), self.num_pages))

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


def is_nullable(model: type[models.Model], path: str) -> bool:
    """Return whether a column of the model, or of a related one, may be NULL."""
    *relations, name = path.removeprefix("-").split(LOOKUP_SEP)
    for relation in relations:
        relating: Any = model._meta.get_field(relation)
        if relating.null:
            return True
        model = relating.related_model
    if name == "pk":
        return False
    field: Any = model._meta.get_field(name)
    # A computed column says so in the type of its value.
    is_computed = isinstance(field, models.GeneratedField)
    return bool(field.output_field.null if is_computed else field.null)


@contextmanager
def time_limit(alias: str) -> Iterator[None]:
    """Run the queries of a list in a transaction that cancels each of them after TIME_LIMIT."""
    with atomic(using=alias):
        with connections[alias].cursor() as cursor:
            cursor.execute(
                "SELECT set_config('statement_timeout', %(limit)s, true)",
                {"limit": str(TIME_LIMIT)},
            )
        yield


def main_currency(rows: QuerySet[Any]) -> str:
    """Return so'm if any row is priced in it, else the most frequent currency; empty if none is.

    At most FOUND_LIMIT rows are counted.
    """
    priced = rows.order_by().exclude(currency=None)
    if priced.filter(currency=SOM).exists():
        return SOM
    counts = Counter(priced.values_list("currency", flat=True)[:FOUND_LIMIT])
    return next((str(currency) for currency, _ in counts.most_common(1)), "")


class List(ChangeList):
    """A list that is read in bounded time, and whose header says no number of rows."""

    model_admin: Any
    sortable_by: Any

    #: The currency that the list was narrowed to, as it compares amounts; empty if it was not.
    currency = ""

    def get_ordering_field(self, field_name: Any) -> Any:
        """Return what a column is sorted by, NULLs last; None if it cannot be sorted."""
        if field_name not in self.sortable_by:
            return None
        order: Any = super().get_ordering_field(field_name)
        is_known = not isinstance(order, str) or not is_nullable(self.model, order)
        return order if is_known else Known(order)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Return the order; the default one where sorting would have to read too many rows.

        :raises BadParameterError: if the address has a column that cannot be sorted
        """
        self._check_order()
        slow = self._sorted_names() & set(self.model_admin.sorted_without_index)
        is_read_whole = slow and not self.query
        if is_read_whole and queryset.order_by()[: SORTED_LIMIT + 1].count() > SORTED_LIMIT:
            self.params.pop(ORDER_VAR)
            messages.warning(
                request,
                f"These are more than {number(SORTED_LIMIT)} rows, too many to sort by "
                f"{label(slow.pop())}. Search or add a filter first.",
            )
        return super().get_ordering(request, queryset)

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> QuerySet[Any]:
        """Return the rows; those of one currency if their amounts are compared."""
        # Some filters and searches ask for the keys that they found.
        with time_limit(self.root_queryset.db):
            rows = super().get_queryset(request, exclude_parameters)
            if request.GET.get("currency") or not self._compares_amounts(request):
                return rows
            self.currency = main_currency(rows)
        return rows.filter(currency=self.currency) if self.currency else rows

    @property
    def is_filtered(self) -> bool:
        """Whether the list may lack rows of the table."""
        return bool(self.queryset.query.where)

    @property
    def currency_title(self) -> str:
        """The name of the currency that the list was narrowed to."""
        return dict(CURRENCIES).get(self.currency, self.currency)

    @property
    def other_currencies(self) -> list[tuple[str, str]]:
        """The currencies that the list could show instead: code and name."""
        return [each for each in CURRENCIES if each[0] != self.currency]

    def get_results(self, request: HttpRequest) -> None:
        """Read the page's rows, and count all as far as they are counted."""
        with time_limit(self.queryset.db):
            super().get_results(request)
            self.result_list: Any = list(self.result_list)
        self.page_num = min(self.page_num, self.paginator.num_pages)
        # The pages' footer says the count, and how exact it is.
        self.full_result_count = self.result_count

    def _check_order(self) -> None:
        for place in self.get_ordering_field_columns() if self.params.get(ORDER_VAR) else ():
            columns = self.list_display[place : place + 1]
            if not columns or not self.get_ordering_field(columns[0]):
                raise BadParameterError(
                    f"Column {place} of this list cannot be sorted. Click the title of a column "
                    "that can.",
                    ORDER_VAR,
                )

    def _sorted_names(self) -> set[str]:
        """Return the columns by which the user sorts."""
        if not self.params.get(ORDER_VAR):
            return set()
        count = len(self.list_display)
        places = [place for place in self.get_ordering_field_columns() if place < count]
        orders = [self.get_ordering_field(self.list_display[place]) for place in places]
        return {getattr(order, "name", order) for order in orders if order}

    def _compares_amounts(self, request: HttpRequest) -> bool:
        """Return whether the user filters or sorts by amounts of money."""
        amounts = self.model_admin.amounts
        ends = [f"{name}_{end}" for name in amounts for end in ("from", "to")]
        is_filtered = any(request.GET.get(end, "").strip() for end in ends)
        return is_filtered or bool(self._sorted_names() & set(amounts))
