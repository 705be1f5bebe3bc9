"""What an adapter is: the pure functions that turn one platform's payloads into records.

A document is one JSON object, one CSV row as a dict, or one element of an XML feed together with
its feed's head. An adapter recognizes the shape of a document, splits it into items (one a
product, listing, lot, …) and parses an item into records. It touches no database and no file.
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
from marketplace.loading.record_types import describe_type
from marketplace.loading.targets import get_plan
from marketplace.registry import PLATFORMS, get_platform

Payload: TypeAlias = dict[str, Any]

#: The kind of warnings of times that cannot be read.
UNREADABLE_TIME = "unreadable time"


class Source(NamedTuple):
    """Where a document came from, as far as an adapter may use it to fill what the payload omits.

    :param name: the file's name without its folder ("-" for standard input)
    :param options: what the user said on the command line, such as `shop` or `lot`
    :param warn: takes a warning about records that are loaded, but not as the user may expect; of
        the warnings with the same kind (the second argument), only the first is kept
    """

    name: str = "-"
    options: Mapping[str, str] = {}
    warn: Callable[..., None] = lambda text, kind="": None

    def moment(
        self,
        value: Any,
        field: str,
        read: Callable[[Any, str], datetime | None] = values.instant,
    ) -> datetime | None:
        """Return the time that a document states; None, with a warning, if it cannot be read.

        :param read: returns the time, or raises `PayloadError`
        """
        try:
            return read(value, field)
        except PayloadError as error:
            self.warn(
                f"The time in {error.field} cannot be read: {error.reason}. The time of the first "
                "load counts as the time of observation; use --observed-at to set another.",
                UNREADABLE_TIME,
            )
            return None


class Item(NamedTuple):
    """One thing to be loaded, still as the platform returned it.

    :param shape: name of the shape whose `parse` understands it
    :param payload: an object; an entry of a list that is something else is refused when parsed
    :param context: what its envelope said and its own payload omits; must be plain JSON, and the
        same each time the platform says the same
    :param is_counted: False for what accompanies the records, such as the categories of a feed
    :param observed_at: when the platform said so, if its envelope tells; aware
    """

    shape: str
    payload: Payload
    context: Payload = {}
    is_counted: bool = True
    observed_at: datetime | None = None


class Parsed(NamedTuple):
    """What one item says.

    :param external_id: the platform's id of what the item is about
    :param records: instances of the record types of the app, parents first
    :param observed_at: when the platform said so, if the payload itself tells; aware
    :param warnings: about records that are loaded, but not as the user may expect
    """

    external_id: str
    records: list[Any]
    observed_at: datetime | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shape:
    """One of the forms in which a platform returns its data.

    :param name: as in the documentation, such as "UZ-API"
    :param recognize: whether a document has this shape; looks at keys only, never raises
    :param split: the items of a document; raises `PayloadError` if the document must be refused
    :param parse: the records of an item; raises `PayloadError` naming the field at fault
    :param is_timed: whether the payload itself, not its envelope, may tell when it was observed
    """

    name: str
    recognize: Callable[[Payload], bool]
    split: Callable[[Payload, Source], Iterator[Item]]
    parse: Callable[[Payload, Payload], Parsed]
    is_timed: bool = False


class Adapter(NamedTuple):
    """The shapes of one platform, tried in order.

    :param version: tells apart adapters that read the same payload differently
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
        return guarded(shape.split, document, source)

    def parse(self, item: Item) -> Parsed:
        """Return what an item says.

        :raises PayloadError: if the item cannot become records
        """
        shape = self.shape(item.shape)
        expect_object(item.payload)
        try:
            parsed = shape.parse(item.payload, item.context)
            if type(parsed.external_id) is not str:
                raise describe_type("external_id", parsed.external_id, {str})
        except PayloadError:
            raise
        except Exception as error:  # an adapter's fault costs one record, not a load
            raise _explain_fault(error) from error
        if item.observed_at is None or parsed.observed_at is not None:
            return parsed
        return parsed._replace(observed_at=item.observed_at)

    def has(self, name: str) -> bool:
        """Return whether it reads a shape."""
        return any(shape.name == name for shape in self.shapes)

    def shape(self, name: str) -> Shape:
        """Return the shape of a name.

        :raises PayloadError: if the adapter has none of that name (any more)
        """
        for shape in self.shapes:
            if shape.name == name:
                return shape
        raise PayloadError(f"is of the shape {name}, which {self.platform} does not have")

    def _explain_unknown(self, document: Payload) -> str:
        if not load_shapes(get_platform(self.platform).database, self.platform):
            return f"{self.platform} is loaded from tables only: add --columns MAP.toml"
        keys = ", ".join(list(document)[:6]) or "none"
        text = f"not a known shape of {self.platform} (keys: {keys})"
        for platform in PLATFORMS:
            if platform.name == self.platform:
                continue
            try:
                shape = get_adapter(platform.name).recognize(document)
            except MarketplaceError:  # A fault of another platform's adapter is reported there.
                continue
            if shape:
                return f"{text}; it looks like {shape.name} of {platform.name}"
        return text


def expect_object(value: Any) -> None:
    """Refuse what is not an object.

    :raises PayloadError: naming the type of JSON that it has
    """
    if not isinstance(value, dict):
        names = {list: "an array", str: "text", bool: "true or false", type(None): "null"}
        raise PayloadError(f"expected an object, got {names.get(type(value), 'a number')}")


def guarded(
    split: Callable[..., Iterator[Item]], document: Payload, source: Source
) -> Iterator[Item]:
    """Yield the items of a document.

    :raises PayloadError: also if the adapter fails
    """
    try:
        yield from split(document, source)
    except PayloadError:
        raise
    except Exception as error:  # as in Adapter.parse
        raise _explain_fault(error) from error


def _explain_fault(error: Exception) -> PayloadError:
    """Return what quarantine says of a payload that an adapter was not prepared for."""
    return PayloadError(f"the adapter failed: {describe_error(error)}")


def describe_error(error: Exception) -> str:
    """Return an error in the code of an adapter with its file and line."""
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} ({Path(error.filename or '').name}, line {error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    frame = next((f for f in reversed(frames) if not f.filename.startswith("<")), frames[-1])
    return f"{type(error).__name__}: {error} ({Path(frame.filename).name}, line {frame.lineno})"


def get_adapter(platform: str) -> Adapter:
    """Return the adapter of a platform: the SHAPES of its module, if it has one.

    A platform without a module is loaded from tables only, by mappings.

    :raises SourceError: if no such platform is registered, or its adapter is broken
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
    except Exception as error:  # whatever a module raises, other platforms go on
        if isinstance(error, ModuleNotFoundError) and error.name == name:
            return ()
        is_comma = isinstance(error, TypeError) and "'Shape' object is not callable" in str(error)
        hint = " A comma is missing between two shapes." if is_comma else ""
        raise SourceError(
            f"The adapter {path} cannot be imported: {describe_error(error)}.{hint}"
        ) from error
    if isinstance(shapes, tuple) and shapes and all(isinstance(each, Shape) for each in shapes):
        return shapes
    found = "a Shape" if isinstance(shapes, Shape) else type(shapes).__name__
    if shapes is None:
        found = "nothing"
    elif isinstance(shapes, tuple):
        others = [type(each).__name__ for each in shapes if not isinstance(each, Shape)]
        found = f"a tuple with {', '.join(others)}" if others else "an empty tuple"
    raise SourceError(
        f"SHAPES of {path} must be a tuple of Shape objects, but it is {found}. A tuple of one "
        "needs a comma: SHAPES = (Shape(…),)."
    )
