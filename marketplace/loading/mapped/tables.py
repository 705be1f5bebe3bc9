"""Tables of any source: the rows of text files, or flat JSON objects, loaded by a mapping file.

A table has an adapter with one shape, so the loader treats its rows like payloads of a platform.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from marketplace.exceptions import PayloadError, SourceError
from marketplace.loading import values
from marketplace.loading.adapters import (
    Adapter,
    Item,
    Parsed,
    Payload,
    Shape,
    Source,
    get_adapter,
)
from marketplace.loading.formats import delimited, documents
from marketplace.loading.formats.decimal_marks import decimal_context, take_sample, text_size
from marketplace.loading.formats.documents import Entry
from marketplace.loading.formats.encodings import drain
from marketplace.loading.mapped import columns, mapping
from marketplace.loading.mapped.mapping import TableMapping
from marketplace.loading.mapped.records import RowParser
from marketplace.loading.targets import Plan, Target, get_plan
from marketplace.loading.values import prices
from marketplace.registry import get_platform

SHAPE = "TABLE"

#: The column for the key of a row, if the rows are the values of an object.
KEY = "@key"

#: Limits of one item, so that memory stays bounded: rows, and their characters.
_MAX_GROUP, _MAX_GROUP_SIZE = 10_000, 16 << 20


@dataclass(frozen=True)
class Table:
    """The tables of a platform that have the layout of one mapping.

    :param version: changes with the mapping
    :param evidence: the decimal mark of the source that is being read, under the key "decimal"
    """

    platform: str
    mapping: TableMapping
    version: str = ""
    evidence: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def adapter(self) -> Adapter:
        """The adapter for these tables."""
        is_timed = self.mapping.observed_at is not None
        shape = Shape(SHAPE, lambda document: True, self._split, self._parse, is_timed=is_timed)
        return Adapter(self.platform, (shape, *self.plan.shapes), self.version)

    @cached_property
    def plan(self) -> Plan:
        """The plan of the database, restricted to the fields that the mapping has.

        A table without a column for the price cannot show that a price was removed.
        """
        plan = get_plan(get_platform(self.platform).database)
        targets = (replace(target, replaced=self._replaced(target)) for target in plan.targets)
        return replace(plan, targets=tuple(targets))

    @cached_property
    def _parser(self) -> RowParser:
        required = {target.record: target.required for target in self.plan.targets}
        return RowParser(self.mapping, required)

    def _replaced(self, target: Target) -> frozenset[str]:
        sections = (s for s in self.mapping.sections if s.record is target.record)
        mapped = {name for section in sections for name in section.fields}
        return target.replaced if mapped & target.replaced else frozenset()

    def read(self, path: str) -> Iterator[Entry]:
        """Yield the rows of a file, or groups of rows that form one item, as `documents.read` does.

        :raises SourceError: also if a column of the mapping is missing in the table
        """

        def read_text(stream: Any, name: str) -> Iterator[Entry]:
            layout = self.mapping.layout
            yield from delimited.read(stream, layout, lambda names: self._check(name, names), name)

        rows = self._sampled(self._rows(documents.read(path, read_text)))
        return self._groups(rows) if self.mapping.group_by else rows

    def _check(self, name: str, names: list[str]) -> None:
        """Check the names of the columns.

        :raises SourceError: if a column of the mapping is missing, or not unique
        """
        for place, alternatives in self.mapping.columns():
            present = [column for column in alternatives if column in names]
            if not present:
                raise SourceError(
                    f'{name} has no column "{alternatives[0]}", which {self.mapping.name} names in '
                    f"{place}. Its columns are: {', '.join(names)[:300]}. Correct the mapping; if "
                    "the table has no header, add header = false under [table]."
                )
            if names.count(present[0]) > 1:
                raise SourceError(
                    f'{name} has several columns "{present[0]}", which {self.mapping.name} names '
                    f"in {place}. Make the names in its header unique, or delete the header and "
                    "list the names of all columns under [table]: header = […]."
                )

    def _rows(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """Yield the rows in JSON documents, each with the other values of its document."""
        path = self.mapping.rows
        name = path.removesuffix("*").removesuffix(".")
        for entry in entries:
            document = entry.document
            is_object = path and not entry.fault and isinstance(document, dict)
            if not is_object or (name and name not in document):
                yield entry
            else:
                rows = document[name] if name else document
                others = {key: document[key] for key in document if key != name} if name else {}
                place = f"{entry.place}, {name}" if name else entry.place
                if path.endswith("*") and isinstance(rows, dict):
                    yield from _values(rows, others, place)
                else:
                    yield from _elements(rows, others, place)

    def _sampled(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """Yield the rows, after the decimal mark was derived from the prices of a sample."""
        sample, rest = take_sample(entries)
        rows = [entry.document for entry in sample if isinstance(entry.document, dict)]
        self.evidence["decimal"] = prices.find_decimal_mark(self._price_texts(rows))
        yield from drain(sample)
        yield from rest

    @cached_property
    def _price_columns(self) -> list[columns.Column]:
        """The columns of prices without a decimal mark in the mapping."""
        fields = [f for section in self.mapping.sections for f in section.fields.values()]
        return [f.column for f in fields if columns.is_price(f.convert) and not f.column.decimal]

    def _price_texts(self, rows: Iterable[Payload]) -> Iterator[str]:
        for row in rows:
            for column in self._price_columns:
                yield from columns.texts(column, row)

    def _groups(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """Yield consecutive rows with the same value in the column `group_by` as one entry."""
        place, key, rows, size = "", None, list[Payload](), 0
        try:
            for entry in entries:
                if not isinstance(entry.document, dict):
                    yield entry
                    continue
                value = columns.find(entry.document, self.mapping.group_by)
                is_at_limit = len(rows) >= _MAX_GROUP or size >= _MAX_GROUP_SIZE
                if rows and (value != key or is_at_limit):
                    yield Entry(place, {"rows": rows})
                    rows, size = [], 0
                if not rows:
                    place, key = entry.place, value
                rows.append(entry.document)
                size += text_size(entry.document)
        except SourceError:
            # The source is truncated: the rows before that place are complete.
            if rows:
                yield Entry(place, {"rows": rows})
            raise
        if rows:
            yield Entry(place, {"rows": rows})

    def _split(self, document: Payload, source: Source) -> Iterator[Item]:
        context: Payload = {"columns": self.mapping.name}
        if "currency" in source.options:
            context["currency"] = source.options["currency"]
        rows = document["rows"] if self.mapping.group_by else [document]
        if any(map(prices.is_ambiguous, self._price_texts(rows))):
            # Part of the context, so that a replay of the stored payload gives the same amount.
            context |= decimal_context(source, self.evidence.get("decimal", ""))
        valid_rows = []
        for row in rows:
            if self._is_skipped(row):
                continue
            if len(rows) == 1 or self._is_sound(row, context):
                valid_rows.append(row)
            else:
                # An invalid row is a separate item, which is rejected when it is parsed.
                yield Item(SHAPE, row, context)
        if valid_rows:
            yield Item(
                SHAPE, valid_rows[0] if len(valid_rows) == 1 else {"rows": valid_rows}, context
            )

    def _is_skipped(self, row: Payload) -> bool:
        def text(name: str) -> str:
            value = columns.find(row, name)
            return "" if value is None else str(value).strip()

        return any(text(name) in texts for name, texts in self.mapping.skip.items())

    def _is_sound(self, row: Payload, context: Payload) -> bool:
        try:
            self._parser.parse(row, context)
        except PayloadError:
            return False
        return True

    def _parse(self, payload: Payload, context: Payload) -> Parsed:
        if not (self.mapping.group_by and isinstance(payload.get("rows"), list)):
            return self._parser.parse(payload, context)
        rows = [self._parser.parse(row, context) for row in payload["rows"]]
        times = [row.observed_at for row in rows if row.observed_at is not None]
        newest = max(times, default=None)
        # The last one of several records with the same id counts. It must be the newest.
        if newest is not None:
            rows.sort(key=lambda row: row.observed_at or newest)
        records = [record for row in rows for record in row.records]
        return Parsed(rows[-1].external_id, records, newest)


def load(path: str, platform: str) -> Table:
    """Return the tables of a platform for a mapping file.

    :raises SourceError: if the platform is unknown, or the mapping cannot be read or is not valid
    """
    get_adapter(platform)
    loaded = mapping.load(path, get_platform(platform).database)
    if loaded.platform not in ("", platform):
        raise SourceError(
            f"{loaded.name} reads tables of {loaded.platform}, not of {platform}. Load them as "
            f"{loaded.platform}, or correct platform under [table]."
        )
    # The version differs between mappings, because they read the same rows differently.
    return Table(platform, loaded, hashlib.sha256(Path(path).read_bytes()).hexdigest())


def _values(rows: Payload, others: Payload, place: str) -> Iterator[Entry]:
    """Yield the values of an object as rows, each with its key in the column "@key".

    :param others: the values to add to each row
    """
    for key, row in rows.items():
        at = f"{place}, key {values.quote(key)}"
        yield Entry(at, others | {KEY: key} | row if isinstance(row, dict) else row)


def _elements(rows: Any, others: Payload, place: str) -> Iterator[Entry]:
    """Yield the elements of a list as rows; a value that is not a list is one row.

    :param others: the values to add to each row
    """
    for number, row in enumerate(rows if isinstance(rows, list) else [rows], 1):
        yield Entry(f"{place} {number}", others | row if isinstance(row, dict) else row)
