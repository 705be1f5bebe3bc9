"""Rows of answers in the format of Apache Arrow."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import pyarrow
from django.core.serializers.json import DjangoJSONEncoder

#: Number of rows in a batch.
_STEP = 10_000

#: PostgreSQL's numbers of types → types of Arrow; all others are text.
_NUMERIC = 1700
_TYPES = {
    16: pyarrow.bool_(),
    20: pyarrow.int64(),
    21: pyarrow.int16(),
    23: pyarrow.int32(),
    700: pyarrow.float32(),
    701: pyarrow.float64(),
    1082: pyarrow.date32(),
    1184: pyarrow.timestamp("us", "UTC"),
}


def schema_of(description: Iterable[Any]) -> pyarrow.Schema:
    """Return the schema of a cursor's rows. Numbers without a scale are doubles, JSON is text."""
    return pyarrow.schema([(entry.name, _type_of(entry)) for entry in description])


def _type_of(entry: Any) -> pyarrow.DataType:
    if entry.type_code != _NUMERIC:
        return _TYPES.get(entry.type_code, pyarrow.string())
    has_scale = entry.precision is not None and entry.precision <= 38
    return pyarrow.decimal128(38, entry.scale) if has_scale else pyarrow.float64()


def to_batches(
    rows: Iterator[tuple[Any, ...]], schema: pyarrow.Schema
) -> Iterator[pyarrow.RecordBatch]:
    """Yield rows in batches."""
    while step := list(islice(rows, _STEP)):
        arrays = [
            pyarrow.array([_convert(value, field.type) for value in values], field.type)
            for field, values in zip(schema, zip(*step, strict=True), strict=True)
        ]
        yield pyarrow.RecordBatch.from_arrays(arrays, schema=schema)


def _convert(value: Any, kind: pyarrow.DataType) -> Any:
    if value is None:
        return None
    if pyarrow.types.is_floating(kind):
        return float(value)
    if pyarrow.types.is_string(kind) and not isinstance(value, str):
        return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)
    return value
