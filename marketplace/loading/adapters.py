"""Adapters: the pure functions that turn the payloads of one platform into records.

A document is one JSON object, one CSV row as a dict, or one element of an XML feed together with
the head of its feed. An adapter recognizes the shape of a document, splits it into items (one for
each product, listing, lot, …) and parses an item into records. It uses no database and no file.
"""

import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from marketplace.exceptions import MarketplaceError, PayloadError, SourceError
from marketplace.loading import values
from marketplace.loading.targets import describe_type, get_plan
from marketplace.registry import PLATFORMS, get_platform

Payload: TypeAlias = dict[str, Any]

#: The kind of warnings of times that cannot be read.
UNREADABLE_TIME = "unreadable time"

#: Keys that the message about an unknown document lists for each level.
_MAX_KEYS = 12

#: Keys that an envelope has at most, and levels of envelopes of which the content is listed.
_ENVELOPE_KEYS, _ENVELOPES = 4, 3


class Source(NamedTuple):
    """The source of a document. Adapters use it to fill in what the payload omits.

    :param name: the file's name without its folder ("-" for standard input)
    :param options: options of the command line, such as `shop` or `lot`
    :param warn: issues a warning about records that are loaded, but not as the user may expect; of
        the warnings with the same kind (the second argument), only the first is kept
    """

    name: str = "-"
    options: Mapping[str, str] = {}
    warn: Callable[..., None] = lambda text, kind="": None

    def read_time(
        self,
        value: Any,
        field: str,
        read: Callable[[Any, str], datetime | None] = values.instant,
    ) -> datetime | None:
        """Return the time in a field of a document; None, with a warning, if it cannot be read.

        :param read: returns the time, or raises `PayloadError`
        """
        try:
            return read(value, field)
        except PayloadError as error:
            self.warn(
                f"The time in {error.field} cannot be read: {error.reason}. The time of the first "
                "load is used as observed_at; override it with --observed-at.",
                UNREADABLE_TIME,
            )
            return None


class Item(NamedTuple):
    """One product, listing, lot or other unit to load, as the platform returned it.

    :param shape: name of the shape whose `parse` reads it
    :param payload: a JSON object; an item with another value is rejected
    :param context: values of its envelope that its own payload omits; must be plain JSON, and equal
        each time the platform returns the same
    :param is_counted: False for items that the summary does not count, such as the categories of a
        feed
    :param observed_at: the time in its envelope, if there is one; aware
    """

    shape: str
    payload: Payload
    context: Payload = {}
    is_counted: bool = True
    observed_at: datetime | None = None


class Parsed(NamedTuple):
    """The content of one item.

    :param external_id: the platform's id of the product, listing or lot that the item describes
    :param records: instances of the record types of the app, parents first
    :param observed_at: the time in the payload itself, if there is one; aware
    :param warnings: about records that are loaded, but not as the user may expect
    """

    external_id: str
    records: list[Any]
    observed_at: datetime | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shape:
    """A format in which a platform returns its data.

    :param name: as in the documentation, such as "UZ-API"
    :param recognize: returns whether a document has this shape; looks at keys only, never raises
    :param split: yields the items of a document; raises `PayloadError` to refuse the document
    :param parse: returns the records of an item; raises `PayloadError` with the invalid field
    :param is_timed: whether the payload itself, not its envelope, may have a time of observation
    """

    name: str
    recognize: Callable[[Payload], bool]
    split: Callable[[Payload, Source], Iterator[Item]]
    parse: Callable[[Payload, Payload], Parsed]
    is_timed: bool = False


class Adapter(NamedTuple):
    """The shapes of one platform, tried in order.

    :param version: distinguishes adapters that read the same payload differently
    """

    platform: str
    shapes: tuple[Shape, ...]
    version: str = ""

    def recognize(self, document: Payload) -> Shape | None:
        """Return the first shape that the document has, or None.

        :raises PayloadError: if the adapter fails
        """
        try:
            return next((shape for shape in self.shapes if shape.recognize(document)), None)
        except Exception as error:  # as in parse
            raise _explain_fault(error) from error

    def split(self, document: Any, source: Source) -> Iterator[Item]:
        """Yield the items of a document.

        :raises PayloadError: if the document has no shape of this platform, or is refused
        """
        expect_object(document)
        shape = self.recognize(document)
        if shape is None:
            raise PayloadError(self._explain_unknown(document))
        return split_document(shape, document, source)

    def parse(self, item: Item) -> Parsed:
        """Return the content of an item.

        :raises PayloadError: if the item cannot be parsed
        """
        shape = self.shape(item.shape)
        expect_object(item.payload)
        try:
            parsed = shape.parse(item.payload, item.context)
            if type(parsed.external_id) is not str:
                raise describe_type("external_id", parsed.external_id, {str})
        except PayloadError:
            raise
        except Exception as error:  # an error in an adapter must not end the load
            raise _explain_fault(error) from error
        if item.observed_at is None or parsed.observed_at is not None:
            return parsed
        return parsed._replace(observed_at=item.observed_at)

    def has(self, name: str) -> bool:
        """Return whether the adapter has a shape of this name."""
        return any(shape.name == name for shape in self.shapes)

    def shape(self, name: str) -> Shape:
        """Return the shape of this name.

        :raises PayloadError: if the adapter has no such shape, or no longer has it
        """
        for shape in self.shapes:
            if shape.name == name:
                return shape
        raise PayloadError(f"has the shape {name}, which is not a shape of {self.platform}")

    def _explain_unknown(self, document: Payload) -> str:
        if not load_shapes(get_platform(self.platform).database, self.platform):
            return f"{self.platform} is loaded from tables only: add --columns MAP.toml"
        text = f"not a known shape of {self.platform} (keys: {_describe_keys(document)})"
        for platform in PLATFORMS:
            if platform.name == self.platform:
                continue
            try:
                shape = get_adapter(platform.name).recognize(document)
            except MarketplaceError:  # errors in other adapters are reported by their own loads
                continue
            if shape:
                return f"{text}; it looks like {shape.name} of {platform.name}"
        return text


def _describe_keys(document: Payload) -> str:
    """Return the keys of a document, and those of the content of its envelopes."""
    parts, path = [_list_keys(document)], ""
    while len(inner := [key for key, value in document.items() if isinstance(value, dict)]) == 1:
        if len(document) > _ENVELOPE_KEYS or len(parts) > _ENVELOPES:
            break
        path = f"{path}.{inner[0]}" if path else str(inner[0])
        document = document[inner[0]]
        parts.append(f"in {path}: {_list_keys(document)}")
    return "; ".join(parts)


def _list_keys(document: Payload) -> str:
    keys = [str(key) for key in document]
    return ", ".join([*keys[:_MAX_KEYS], *(["…"] if len(keys) > _MAX_KEYS else [])]) or "none"


def expect_object(value: Any) -> None:
    """Check that a value is a JSON object.

    :raises PayloadError: with the JSON type of the value, if it is not
    """
    if not isinstance(value, dict):
        names = {list: "an array", str: "text", bool: "true or false", type(None): "null"}
        raise PayloadError(f"expected an object, got {names.get(type(value), 'a number')}")


def split_document(shape: Shape, document: Payload, source: Source) -> Iterator[Item]:
    """Yield the items of a document.

    :raises PayloadError: if the shape refuses the document, or fails
    """
    try:
        yield from shape.split(document, source)
    except PayloadError:
        raise
    except Exception as error:  # as in Adapter.parse
        raise _explain_fault(error) from error


def _explain_fault(error: Exception) -> PayloadError:
    """Return the error for a payload on which an adapter failed."""
    return PayloadError(f"the adapter failed: {describe_error(error)}")


def describe_error(error: Exception) -> str:
    """Return the text of an error in an adapter, with its file and line."""
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} ({Path(error.filename or '').name}, line {error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    frame = next((f for f in reversed(frames) if not f.filename.startswith("<")), frames[-1])
    return f"{type(error).__name__}: {error} ({Path(frame.filename).name}, line {frame.lineno})"


def get_adapter(platform: str) -> Adapter:
    """Return the adapter of a platform, with the SHAPES of its module.

    A platform without a module is loaded from tables only, by mappings.

    :raises SourceError: if no such platform is registered, or its module cannot be imported
    """
    try:
        database = get_platform(platform).database
    except KeyError:
        names = ", ".join(platform.name for platform in PLATFORMS)
        raise SourceError(f'Unknown platform "{platform}". Use one of: {names}.') from None
    return Adapter(platform, (*load_shapes(database, platform), *get_plan(database).shapes))


def load_shapes(database: str, platform: str) -> tuple[Shape, ...]:
    """Return the SHAPES of a platform's module; none if it has no module.

    :raises SourceError: if the module cannot be imported, or its SHAPES are not a tuple of shapes
    """
    name = f"{database}.platforms.{platform}"
    path = f"{name.replace('.', '/')}.py"
    try:
        shapes = getattr(import_module(name), "SHAPES", None)
    except Exception as error:  # the error of one module must not affect other platforms
        if isinstance(error, ModuleNotFoundError) and error.name == name:
            return ()
        is_comma = isinstance(error, TypeError) and "'Shape' object is not callable" in str(error)
        hint = " A comma is missing between two shapes." if is_comma else ""
        raise SourceError(
            f"The adapter {path} cannot be imported: {describe_error(error)}.{hint}"
        ) from error
    if isinstance(shapes, tuple) and shapes and all(isinstance(shape, Shape) for shape in shapes):
        return shapes
    actual = "a Shape" if isinstance(shapes, Shape) else type(shapes).__name__
    if shapes is None:
        actual = "nothing"
    elif isinstance(shapes, tuple):
        others = [type(value).__name__ for value in shapes if not isinstance(value, Shape)]
        actual = f"a tuple with {', '.join(others)}" if others else "an empty tuple"
    raise SourceError(
        f"SHAPES of {path} must be a tuple of Shape objects, but it is {actual}. A tuple of one "
        "needs a comma: SHAPES = (Shape(…),)."
    )
