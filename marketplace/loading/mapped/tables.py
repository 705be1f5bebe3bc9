"""Tables of any source: rows of text, or flat objects of JSON, as records by a mapping file.

A table is an adapter of one shape, so that the loader treats it as it does a platform's payload.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

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
from marketplace.loading.formats.decimal_marks import (
    decimal_context,
    price_style,
    take_sample,
    text_size,
)
from marketplace.loading.formats.documents import Entry
from marketplace.loading.formats.encodings import drain
from marketplace.loading.mapped import columns, mapping
from marketplace.loading.mapped.mapping import Field, Section, TableMapping
from marketplace.loading.targets import Plan, Target, get_plan
from marketplace.loading.values import prices
from marketplace.registry import get_platform

SHAPE = "TABLE"

#: The column that holds a row's key where rows are the values of an object.
KEY = "@key"

#: Rows that one item may hold, and characters of them, so that memory stays bounded.
_MAX_GROUP, _MAX_GROUP_SIZE = 10_000, 16 << 20

_AMOUNTS = {"price", "old_price", "min_price", "max_price", "start_cost", "deal_cost", "cost"}
_CURRENCIES = {"currency", "currency_text"}
_STOCKS = {"stock_quantity", "total_available", "available_amount"}


@dataclass(frozen=True)
class Table:
    """A platform's tables of one form.

    :param evidence: the decimal mark that the prices of the source being read show, as "decimal"
    """

    platform: str
    mapping: TableMapping
    version: str = ""
    evidence: dict[str, str] = field(default_factory=dict, compare=False)
    _known_fields: dict[tuple[str | None, ...], dict[str, Field]] = field(
        default_factory=dict, compare=False, repr=False
    )

    @property
    def adapter(self) -> Adapter:
        """The adapter of these tables."""
        is_timed = self.mapping.observed_at is not None
        shape = Shape(SHAPE, lambda document: True, self._split, self._parse, is_timed=is_timed)
        return Adapter(self.platform, (shape, *self.plan.shapes), self.version)

    @cached_property
    def plan(self) -> Plan:
        """The plan of the database, as far as these tables can tell it.

        A table without a price cannot say that there is none any more.
        """
        plan = get_plan(get_platform(self.platform).database)
        targets = (replace(each, replaced=self._replaced(each)) for each in plan.targets)
        return replace(plan, targets=tuple(targets))

    @cached_property
    def _required(self) -> dict[type[Any], str]:
        """Record type → the field that it may lack where a row is known."""
        return {target.record: target.required for target in self.plan.targets}

    def _replaced(self, target: Target) -> frozenset[str]:
        sections = (each for each in self.mapping.sections if each.record is target.record)
        told = {name for section in sections for name in section.fields}
        return target.replaced if told & target.replaced else frozenset()

    def read(self, path: str, max_record: int) -> Iterator[Entry]:
        """Yield the rows of a file, or what of them is one item, as `documents.read` does.

        :raises SourceError: also if the table lacks a column of the mapping
        """

        def read_text(stream: Any, name: str) -> Iterator[Entry]:
            layout = self.mapping.layout
            rows = delimited.read(stream, layout, lambda names: self._check(name, names), name)
            yield from (Entry(*found) for found in rows)

        rows = self._sampled(self._rows(documents.read(path, max_record, read_text)))
        return self._groups(rows) if self.mapping.group_by else rows

    def _check(self, name: str, names: list[str]) -> None:
        for place, wanted in self.mapping.columns():
            found = [column for column in wanted if column in names]
            if not found:
                raise SourceError(
                    f'{name} has no column "{wanted[0]}", which {self.mapping.name} names in '
                    f"{place}. Its columns are: {', '.join(names)[:300]}. Correct the mapping; if "
                    "these are not names, add header = false under [table]."
                )
            if names.count(found[0]) > 1:
                raise SourceError(
                    f'{name} has several columns "{found[0]}", which {self.mapping.name} names '
                    f"in {place}. Name the columns by header = […] under [table]."
                )

    def _rows(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """Yield the rows that JSON documents hold, each with what stands beside them."""
        path = self.mapping.rows
        name = path.removesuffix("*").removesuffix(".")
        for entry in entries:
            document = entry.document
            is_object = path and not entry.fault and isinstance(document, dict)
            if not is_object or (name and name not in document):
                yield entry
            else:
                found = document[name] if name else document
                beside = {key: document[key] for key in document if key != name} if name else {}
                place = f"{entry.place}, {name}" if name else entry.place
                if path.endswith("*") and isinstance(found, dict):
                    yield from _values(found, beside, place)
                else:
                    yield from _elements(found, beside, place)

    def _sampled(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """Yield rows; before the first, learn the decimal mark from the prices of many."""
        start, rest = take_sample(entries)
        rows = [each.document for each in start if isinstance(each.document, dict)]
        self.evidence["decimal"] = prices.find_decimal_mark(self._price_texts(rows))
        yield from drain(start)
        yield from rest

    @cached_property
    def _price_columns(self) -> list[columns.Column]:
        """The columns of prices whose decimal mark the mapping does not name."""
        fields = [each for section in self.mapping.sections for each in section.fields.values()]
        return [f.column for f in fields if columns.is_price(f.convert) and not f.column.decimal]

    def _price_texts(self, rows: Iterable[Payload]) -> Iterator[str]:
        for row in rows:
            for column in self._price_columns:
                yield from columns.texts(column, row)

    def _groups(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """Yield consecutive rows with the same value in the mapping's `group_by` as one."""
        place, known, rows, size = "", None, list[Payload](), 0
        try:
            for entry in entries:
                if not isinstance(entry.document, dict):
                    yield entry
                    continue
                value = columns.find(entry.document, self.mapping.group_by)
                is_full = len(rows) >= _MAX_GROUP or size >= _MAX_GROUP_SIZE
                if rows and (value != known or is_full):
                    yield Entry(place, {"rows": rows})
                    rows, size = [], 0
                if not rows:
                    place, known = entry.place, value
                rows.append(entry.document)
                size += text_size(entry.document)
        except SourceError:
            # Those before the place where a source is cut off.
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
            # Part of the context, so that the stored payload gives the same amount again.
            context |= decimal_context(source, self.evidence.get("decimal", ""))
        sound = []
        for row in rows:
            if self._is_skipped(row):
                continue
            if len(rows) == 1 or self._is_sound(row, context):
                sound.append(row)
            else:
                # Refused when it is parsed, alone.
                yield Item(SHAPE, row, context)
        if sound:
            yield Item(SHAPE, sound[0] if len(sound) == 1 else {"rows": sound}, context)

    def _is_skipped(self, row: Payload) -> bool:
        def text(name: str) -> str:
            value = columns.find(row, name)
            return "" if value is None else str(value).strip()

        return any(text(name) in texts for name, texts in self.mapping.skip.items())

    def _is_sound(self, row: Payload, context: Payload) -> bool:
        try:
            self._parse_row(row, context)
        except PayloadError:
            return False
        return True

    def _parse(self, payload: Payload, context: Payload) -> Parsed:
        if not (self.mapping.group_by and isinstance(payload.get("rows"), list)):
            return self._parse_row(payload, context)
        parsed = [self._parse_row(row, context) for row in payload["rows"]]
        times = [each.observed_at for each in parsed if each.observed_at is not None]
        newest = max(times, default=None)
        # Of what several rows say about one thing, the newest counts: it must be the last.
        if newest is not None:
            parsed.sort(key=lambda each: each.observed_at or newest)
        return Parsed(parsed[-1].external_id, [r for each in parsed for r in each.records], newest)

    def _parse_row(self, row: Payload, context: Payload) -> Parsed:
        sections = self.mapping.sections
        ids = {each.name: self._external_id(each, row) for each in sections}
        main = sections[0]
        if ids[main.name] is None:
            self._refuse_row(main, row)
        parents_first = sorted(sections, key=lambda each: each.rank)
        found = [self._record(each, row, ids, context) for each in parents_first]
        above = [record for each in sections if each.chain for record in self._above(each, row)]
        observed = self.mapping.observed_at
        return Parsed(
            ids[main.name] or "",
            [*above, *(record for record in found if record is not None)],
            self._value(observed, row) if observed else None,
        )

    def _refuse_row(self, section: Section, row: Payload) -> NoReturn:
        """Say why a row is about nothing."""
        source = section.chain or section.fields["external_id"]
        alternatives = source.column.alternatives
        names = [name for each in alternatives for name in each]
        known = [text for name in names if (text := str(columns.find(row, name) or "").strip())]
        reason = (
            f"{values.quote(known[0])} holds no id as the mapping describes it"
            if known
            else "is missing"
        )
        raise PayloadError(reason, " or ".join(names))

    def _external_id(self, section: Section, row: Payload) -> str | None:
        if section.chain:
            names = self._value(section.chain, row)
            return _chain_id(names) if names else None
        said = section.fields.get("external_id")
        found: str | None = self._value(said, row) if said else None
        return found

    def _value(self, said: Field, row: Payload) -> Any:
        return columns.read(said.column, said.convert, row, self.mapping.empty)

    def _record(
        self, section: Section, row: Payload, ids: dict[str, str | None], context: Payload
    ) -> Any:
        """Return what a row says of one section; None if it lacks what a record must have."""
        fields = section.record._fields
        links = {f"{name}_external_id": found for name, found in ids.items()}
        said: dict[str, Any] = {name: found for name, found in links.items() if name in fields}
        if "currency" in fields:
            named = section.fields.get("currency")
            said["currency"] = (
                self._value(named, row)
                if named
                else values.currency(context.get("currency"), "currency")
            )
        described = self._fields(section, said.get("currency"), context)
        said |= {name: self._value(each, row) for name, each in described.items()}
        if section.chain and ids[section.name] is not None:
            names: list[str] = self._value(section.chain, row)
            said |= {"external_id": ids[section.name], "name": names[-1]}
            said["parent_external_id"] = _chain_id(names[:-1]) if names[1:] else None
        said = _settled(said)
        lacking = {name for name in section.required if said.get(name) is None}
        # What is out of stock may have no price any more.
        if said.get("is_available") is False:
            lacking.discard(self._required.get(section.record, ""))
        if lacking:
            return None
        return section.record(**said)

    def _above(self, section: Section, row: Payload) -> list[Any]:
        """Return the records above the last one of a chain, the uppermost first."""
        names: list[str] = (self._value(section.chain, row) if section.chain else None) or []
        return [
            section.record(
                external_id=_chain_id(names[:length]),
                name=names[length - 1],
                parent_external_id=_chain_id(names[: length - 1]) if length > 1 else None,
            )
            for length in range(1, len(names))
        ]

    def _fields(self, section: Section, currency: str | None, context: Payload) -> dict[str, Field]:
        """Return the fields of a section but its currency, with how the prices are written."""
        key = (section.name, currency, context.get("decimal"), context.get("stated_decimal"))
        if key not in self._known_fields:
            style = price_style(currency, context)
            self._known_fields[key] = {
                name: each._replace(column=columns.in_style(each.column, style))
                if columns.is_price(each.convert)
                else each
                for name, each in section.fields.items()
                if name != "currency"
            }
        return self._known_fields[key]


def load(path: str, platform: str) -> Table:
    """Return a platform's tables by a mapping file.

    :raises SourceError: if the platform is unknown, or the mapping cannot be read, or is wrong
    """
    get_adapter(platform)
    loaded = mapping.load(path, get_platform(platform).database)
    if loaded.platform not in ("", platform):
        raise SourceError(
            f"{loaded.name} reads tables of {loaded.platform}, not of {platform}. Load them as "
            f"{loaded.platform}, or correct platform under [table]."
        )
    # Another mapping reads the same rows differently.
    return Table(platform, loaded, hashlib.sha256(Path(path).read_bytes()).hexdigest())


def _values(found: Payload, beside: Payload, place: str) -> Iterator[Entry]:
    """Yield the values of an object as rows, each with its key in "@key"."""
    for key, row in found.items():
        at = f"{place}, key {values.quote(key)}"
        yield Entry(at, beside | {KEY: key} | row if isinstance(row, dict) else row)


def _elements(found: Any, beside: Payload, place: str) -> Iterator[Entry]:
    """Yield the elements of a list as rows; anything else is a row of its own."""
    for number, row in enumerate(found if isinstance(found, list) else [found], 1):
        yield Entry(f"{place} {number}", beside | row if isinstance(row, dict) else row)


def _chain_id(names: list[str]) -> str:
    return values.identifier(" > ".join(names), "external_id")


def _settled(said: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a record without those that others contradict."""
    amounts = _AMOUNTS & said.keys()
    if amounts and all(said[name] is None for name in amounts):
        said = said | dict.fromkeys(_CURRENCIES & said.keys())
    old_price, price = said.get("old_price"), said.get("price")
    if old_price is not None and (price is None or old_price <= price):
        # Repeated where nothing is discounted.
        said = said | {"old_price": None}
    stock = next((said[name] for name in _STOCKS & said.keys() if said[name] is not None), None)
    if stock == 0 or (stock is not None and said.get("is_available") is None):
        said = said | {"is_available": stock > 0}
    return said
