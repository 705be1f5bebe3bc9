"""Creating what is all new: by COPY straight into the tables, with ids that were taken ahead.

Merging stages each row, looks for the row it belongs to, and compares the two. Of a batch whose
things are all unknown, as in a first load, there is nothing to look for and to compare. What makes
it unfit for this, such as another loader that creates one of them at the same moment, is found out
by the tables' constraints: then the transaction is rolled back, and the batch merged.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.backends.utils import CursorWrapper
from psycopg2.sql import SQL, Identifier

from marketplace.loading import staging
from marketplace.loading.rows import Rows
from marketplace.loading.targets import Plan, Target


def is_all_new(
    cursor: CursorWrapper, platform: str, plan: Plan, rows: Sequence[Rows], points: bytes
) -> bool:
    """Return whether nothing is known of the things in a batch.

    What they have in common with others, such as sellers, may be known.

    :param rows: those of each target of the plan
    :param points: further observations: prices of the past make a longer history
    """
    own = [(target, each) for target, each in _pairs(plan, rows) if not target.shared and each.keys]
    if plan.after_create is None or points or not own:
        return False
    return not any(_is_any_known(cursor, platform, target, each.keys) for target, each in own)


def _pairs(plan: Plan, rows: Sequence[Rows]) -> Iterator[tuple[Target, Rows]]:
    return zip(plan.targets, rows, strict=True)


def _is_any_known(
    cursor: CursorWrapper, platform: str, target: Target, keys: Sequence[str]
) -> bool:
    cursor.execute(
        # A subquery, not a join: of a table that was just made there are no statistics, and this
        # never scans it.
        SQL(
            "SELECT FROM unnest(%(keys)s) AS k (key) WHERE (SELECT true FROM {} AS t "
            "WHERE t.platform = %(platform)s AND t.external_id = k.key) LIMIT 1"
        ).format(Identifier(target.table)),
        {"keys": list(keys), "platform": platform},
    )
    return cursor.fetchone() is not None


class Creator:
    """Create the things of one batch.

    :ivar ids: record type → external_id → id of what was created
    """

    def __init__(self, cursor: CursorWrapper, platform: str, plan: Plan) -> None:
        self.cursor = cursor
        self.platform = platform
        self.ids: dict[type[Any], dict[str, int]] = {}
        self._tables = {target.record: target.table for target in plan.targets}
        cursor.execute("SELECT statement_timestamp()")
        self._now: datetime = cursor.fetchone()[0]

    def create(self, target: Target, rows: Rows) -> None:
        """Create the rows of a target, after those that they refer to."""
        if not rows.keys:
            self.ids[target.record] = {}
            return
        ids = self._reserve(target, len(rows.keys))
        columns = [reference.column for reference in target.references.values()]
        staging.copy_lines(
            self.cursor,
            target.table,
            [*target.record_columns, *columns, "id", "platform", "updated_at"],
            rows.created(self._tails(target, rows, ids)),
        )
        self.ids[target.record] = dict(zip(rows.keys, ids, strict=True))

    def _tails(self, target: Target, rows: Rows, ids: list[int]) -> Iterator[Sequence[str]]:
        """Yield the columns that follow: ids of what is referred to, its own, where and when."""
        told = zip(*rows.references, strict=True)
        for reference, keys in zip(target.references.values(), told, strict=True):
            known = self._identify(reference.record, set(keys) - {None})
            yield staging.encode_column([known.get(key) for key in keys])
        yield staging.encode_column(ids)
        for value in (self.platform, self._now):
            yield [staging.join((value,))] * len(ids)

    def _identify(self, record: type[Any], keys: Iterable[Any]) -> Mapping[Any, int]:
        """Return external_id → id of what rows refer to."""
        if record in self.ids:
            return self.ids[record]
        self.cursor.execute(
            SQL(
                "SELECT k.key, (SELECT t.id FROM {} AS t "
                "WHERE t.platform = %(platform)s AND t.external_id = k.key) "
                "FROM unnest(%(keys)s::text[]) AS k (key)"
            ).format(Identifier(self._tables[record])),
            {"keys": list(keys), "platform": self.platform},
        )
        return dict(self.cursor.fetchall())

    def _reserve(self, target: Target, count: int) -> list[int]:
        """Return ids that no other row gets."""
        self.cursor.execute(
            "SELECT nextval(s.name) FROM ("
            "SELECT pg_get_serial_sequence(%(table)s, 'id')::regclass AS name OFFSET 0"
            ") AS s, generate_series(1, %(count)s)",
            {"table": target.table, "count": count},
        )
        return [number for (number,) in self.cursor.fetchall()]
