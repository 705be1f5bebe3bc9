"""Bulk insert of new items: COPY directly into the tables, with ids reserved beforehand.

A merge stages the rows, looks for existing rows and compares the two. None of this is needed if all
items of a batch are new, as in a first load. If another loader inserts one of them at the same
time, a unique constraint fails, the transaction is rolled back, and the batch is merged.
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
    """Return whether the tables contain none of the items of a batch.

    Shared rows that the items refer to, such as sellers, may exist.

    :param rows: the rows of each target of the plan
    :param points: COPY text of further observations; a batch with past prices must be merged
    """
    own = [
        (target, target_rows)
        for target, target_rows in zip(plan.targets, rows, strict=True)
        if not target.shared and target_rows.keys
    ]
    if plan.after_create is None or points or not own:
        return False
    return not any(
        _has_any(cursor, platform, target, target_rows.keys) for target, target_rows in own
    )


def _has_any(cursor: CursorWrapper, platform: str, target: Target, keys: Sequence[str]) -> bool:
    """Return whether the table of a target contains any of the keys."""
    cursor.execute(
        # A subquery always uses the index. A join may scan a new table without statistics.
        SQL(
            "SELECT FROM unnest(%(keys)s) AS k (key) WHERE (SELECT true FROM {} AS t "
            "WHERE t.platform = %(platform)s AND t.external_id = k.key) LIMIT 1"
        ).format(Identifier(target.table)),
        {"keys": list(keys), "platform": platform},
    )
    return cursor.fetchone() is not None


class BulkInserter:
    """Insert the rows of one batch.

    :ivar ids: record type → external_id → id of the inserted row
    """

    def __init__(self, cursor: CursorWrapper, platform: str, plan: Plan) -> None:
        self.cursor = cursor
        self.platform = platform
        self.ids: dict[type[Any], dict[str, int]] = {}
        self._tables = {target.record: target.table for target in plan.targets}
        cursor.execute("SELECT statement_timestamp()")
        self._now: datetime = cursor.fetchone()[0]

    def insert(self, target: Target, rows: Rows) -> None:
        """Insert the rows of a target. The rows that they refer to must be inserted before."""
        if not rows.keys:
            self.ids[target.record] = {}
            return
        ids = self._reserve(target, len(rows.keys))
        columns = [reference.column for reference in target.references.values()]
        staging.copy_lines(
            self.cursor,
            target.table,
            [*target.record_columns, *columns, "id", "platform", "updated_at"],
            rows.encode_with(self._further_columns(target, rows, ids)),
        )
        self.ids[target.record] = dict(zip(rows.keys, ids, strict=True))

    def _further_columns(
        self, target: Target, rows: Rows, ids: list[int]
    ) -> Iterator[Sequence[str]]:
        """Yield the columns that a record does not fill: foreign keys, id, platform, updated_at."""
        key_columns = zip(*rows.references, strict=True)
        for reference, keys in zip(target.references.values(), key_columns, strict=True):
            referenced_ids = self._identify(reference.record, set(keys) - {None})
            yield staging.encode_column([referenced_ids.get(key) for key in keys])
        yield staging.encode_column(ids)
        for value in (self.platform, self._now):
            yield [staging.join((value,))] * len(ids)

    def _identify(self, record: type[Any], keys: Iterable[Any]) -> Mapping[Any, int]:
        """Return external_id → id of the referenced rows, with None for rows that do not exist."""
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
        """Reserve ids from the sequence of the table."""
        self.cursor.execute(
            "SELECT nextval(s.name) FROM ("
            "SELECT pg_get_serial_sequence(%(table)s, 'id')::regclass AS name OFFSET 0"
            ") AS s, generate_series(1, %(count)s)",
            {"table": target.table, "count": count},
        )
        return [row_id for (row_id,) in self.cursor.fetchall()]
