"""Check the types of records: adapters must return values of the types of the records' fields."""

from collections.abc import Collection
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from marketplace.exceptions import PayloadError

_field_types: dict[type[Any], dict[str, frozenset[type[Any]]]] = {}


def field_types(record: type[Any]) -> dict[str, frozenset[type[Any]]]:
    """Return the types that each field of a record type accepts; subclasses are not accepted."""
    if record not in _field_types:
        hints = get_type_hints(record)
        _field_types[record] = {name: _types(hint) for name, hint in hints.items()}
    return _field_types[record]


def check_types(records: list[Any], known: Collection[type[Any]]) -> None:
    """Check that records have the types of their fields.

    :param known: the record types of the database
    :raises PayloadError: naming the first field whose value has another type
    """
    for record in records:
        kind = type(record)
        if kind not in known:
            raise PayloadError(
                f"the adapter returned {kind.__name__}, which is not a record type of its database"
            )
        for (name, allowed), value in zip(field_types(kind).items(), record, strict=True):
            if type(value) not in allowed:
                raise describe_type(f"{kind.__name__}.{name}", value, allowed)


def check_columns(kind: type[Any], records: list[Any]) -> None:
    """Check that records of one type have the types of their fields; faster than `check_types`.

    :raises TypeError: if a value has another type
    """
    columns = zip(*records, strict=True)
    for (name, allowed), column in zip(field_types(kind).items(), columns, strict=False):
        if not allowed.issuperset(map(type, column)):
            types = {type(value).__name__ for value in column if type(value) not in allowed}
            raise TypeError(f"{kind.__name__}.{name} has values of type {', '.join(sorted(types))}")


def describe_type(field: str, value: Any, allowed: Collection[type[Any]]) -> PayloadError:
    """Return the error for a value whose type its field does not accept."""
    names = sorted(kind.__name__ for kind in allowed if kind is not NoneType)
    return PayloadError(
        f"the adapter returned {type(value).__name__}, but the field takes {' or '.join(names)}",
        field,
    )


def _types(hint: Any) -> frozenset[type[Any]]:
    if get_origin(hint) in (Union, UnionType):
        return frozenset[type[Any]]().union(*map(_types, get_args(hint)))
    kind = get_origin(hint) or hint
    # A whole number is as exact as a Decimal.
    return frozenset({kind, int} if kind is Decimal else {kind})
