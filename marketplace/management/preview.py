"""Preview of a load: the content of sources, and how much of it can be loaded."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from marketplace.exceptions import PayloadError, SourceError
from marketplace.loading.adapters import Adapter, Item, Parsed, Source, get_adapter
from marketplace.loading.formats.documents import Entry
from marketplace.loading.ingest import expand
from marketplace.loading.items import UNSTORABLE, find_unstorable, serialize
from marketplace.loading.mapped import suggestions, tables
from marketplace.loading.preparation import parse_item
from marketplace.loading.reader import read_source
from marketplace.loading.summary import merge_warnings
from marketplace.loading.targets import check_types, get_plan
from marketplace.registry import get_platform

#: The number of errors that are kept; all are counted.
_MAX_FAULTS = 10


class Fault(NamedTuple):
    """A record that cannot be loaded.

    :param place: the source, and the place in it
    """

    place: str
    field: str
    reason: str


@dataclass
class RecordSurvey:
    """The records of one type.

    :param filled: field → number of records in which it has a value
    """

    count: int = 0
    filled: dict[str, int] = field(default_factory=dict)

    def add(self, record: Any) -> None:
        """Count a record."""
        self.count += 1
        for name, value in zip(record._fields, record, strict=True):
            self.filled[name] = self.filled.get(name, 0) + (value is not None)

    @property
    def coverage(self) -> dict[str, float]:
        """Field → share of the records in which it has a value, in percent."""
        return {name: round(100 * n / self.count, 1) for name, n in self.filled.items()}


@dataclass
class ShapeSurvey:
    """The documents of one shape and their items.

    :param items: number of items that would be loaded, including repeats
    :param ids: their external ids
    """

    documents: int = 0
    items: int = 0
    records: dict[str, RecordSurvey] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)

    @property
    def distinct(self) -> int:
        """The number of different external ids."""
        return len(self.ids)

    @property
    def repeats(self) -> int:
        """The number of items whose external id another item has, too."""
        return self.items - self.distinct

    def add(self, item: Item, parsed: Parsed) -> None:
        """Count an item and its records."""
        if item.is_counted:
            self.items += 1
            self.ids.add(parsed.external_id)
        for record in parsed.records:
            self.records.setdefault(type(record).__name__, RecordSurvey()).add(record)


@dataclass
class Survey:
    """The content of sources.

    :param documents: number of JSON documents, elements of feeds, and rows or groups of rows of
        tables
    :param fault_count: number of records that cannot be loaded; `faults` are the first of them
    :param failures: why sources could not be read to their end
    :param warnings: about records that would be loaded, but not as the user may expect
    :param kinds: source and kind of the warnings that were issued
    """

    platform: str
    record_types: frozenset[type[Any]]
    sources: int = 0
    documents: int = 0
    shapes: dict[str, ShapeSurvey] = field(default_factory=dict)
    fault_count: int = 0
    faults: list[Fault] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    kinds: set[tuple[str, str]] = field(default_factory=set)

    @property
    def items(self) -> int:
        """The number of items that would be loaded, including repeats."""
        return sum(shape.items for shape in self.shapes.values())

    def shape(self, name: str) -> ShapeSurvey:
        """Return the survey of a shape."""
        return self.shapes.setdefault(name, ShapeSurvey())

    def warn(self, source: str, text: str, kind: str = "") -> None:
        """Add a warning about a source. Each text, and each kind, is kept once."""
        if kind and (source, kind) in self.kinds:
            return
        self.kinds.add((source, kind))
        self.warnings = merge_warnings(self.warnings, [f"{source}: {text}"])

    def refuse(self, place: str, error: PayloadError) -> None:
        """Count a record that cannot be loaded."""
        self.fault_count += 1
        if len(self.faults) < _MAX_FAULTS:
            self.faults.append(Fault(place, error.field, error.reason))


def survey(
    platform: str,
    paths: Iterable[str],
    *,
    options: Mapping[str, str] | None = None,
    columns: str | None = None,
) -> Survey:
    """Read sources as `ingest` does, and return a survey of their content. Does not use a database.

    :param options: as for `ingest`
    :param columns: a mapping file, as for `ingest`
    :raises SourceError: if the platform is unknown, or the mapping is not valid
    """
    table = tables.load(columns, platform) if columns else None
    adapter = table.adapter if table else get_adapter(platform)
    result = Survey(platform, get_plan(get_platform(platform).database).record_types)
    for path in (file for name in paths for file in expand(name)):
        result.sources += 1
        name = Path(path).name
        source = Source(name, options or {}, partial(result.warn, name))
        try:
            for entry in read_source(path, table):
                _add(result, adapter, entry, source, path)
        except SourceError as error:
            result.failures.append(str(error))
    return result


def _add(result: Survey, adapter: Adapter, entry: Entry, source: Source, path: str) -> None:
    if entry.warning:
        source.warn(entry.warning)
        return
    result.documents += 1
    place = f"{source.name}: {entry.place}"
    if entry.fault:
        result.refuse(place, PayloadError(entry.fault))
        return
    try:
        items = adapter.split(entry.document, source)
        shape = adapter.recognize(entry.document)
        if shape is not None:
            result.shape(shape.name).documents += 1
        for item in items:
            _add_item(result, adapter, item, place, source)
    except PayloadError as error:
        suggestions.check_row(adapter, entry.document, source.name, path)
        result.refuse(place, error)


def _add_item(result: Survey, adapter: Adapter, item: Item, place: str, source: Source) -> None:
    try:
        serialize(item.payload)
    except UNSTORABLE as error:
        parsed: Parsed | Exception = error
    else:
        parsed = _parse(result, adapter, item)
    if isinstance(parsed, PayloadError):
        result.refuse(place, parsed)
    elif isinstance(parsed, Exception):
        field = find_unstorable(item.payload)
        result.refuse(place, PayloadError(f"cannot be stored: {parsed}", field))
    else:
        result.shape(item.shape).add(item, parsed)
        for warning in parsed.warnings:
            source.warn(warning)


def _parse(result: Survey, adapter: Adapter, item: Item) -> Parsed | Exception:
    """Return the content of an item, or the error for which a load would reject it."""
    parsed = parse_item(adapter, item)
    if not isinstance(parsed, Exception):
        try:
            check_types(parsed.records, result.record_types)
        except PayloadError as error:
            return error
    return parsed
