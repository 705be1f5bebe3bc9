"""Objects and lists inside a payload."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from marketplace.loading.values.errors import invalid

_Result = TypeVar("_Result")

#: Results that a memoized function keeps at most.
_MAX_MEMOIZED = 5_000


def mapping(value: Any, field: str) -> dict[str, Any]:
    """Return an object unchanged; None becomes an empty object.

    :raises PayloadError: if the value is anything else
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise invalid(field, value, "is not an object")
    return value


def objects(value: Any, field: str) -> list[dict[str, Any]]:
    """Return a list of objects unchanged; None becomes an empty list.

    :raises PayloadError: if the value is not a list, or has an entry that is not an object
    """
    if value is None:
        return []
    if not isinstance(value, list) or not {dict}.issuperset(map(type, value)):
        raise invalid(field, value, "is not a list of objects")
    return value


def entries(value: Any, field: str) -> list[Any]:
    """Return a list with entries of any type unchanged; None becomes an empty list.

    Use it for a list whose entries become items: an entry that is not an object is then rejected
    alone, when its item is parsed.

    :raises PayloadError: if the value is not a list
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise invalid(field, value, "is not a list")
    return value


def memoize(parse: Callable[[dict[str, Any]], _Result]) -> Callable[[dict[str, Any]], _Result]:
    """Cache the results of a function of an object with an `id`.

    Use it for objects that are repeated in many payloads, such as the seller of each product:
    comparing an object is much faster than parsing it. Callers must not change the result.
    """
    cache: dict[int | str, tuple[dict[str, Any], _Result]] = {}

    @wraps(parse)
    def memoized(value: dict[str, Any]) -> _Result:
        key = value.get("id")
        if type(key) is not int and type(key) is not str:
            return parse(value)
        cached = cache.get(key)
        if cached is not None and cached[0] == value:
            return cached[1]
        result = parse(value)
        if len(cache) >= _MAX_MEMOIZED:
            cache.clear()
        cache[key] = (value, result)
        return result

    return memoized
