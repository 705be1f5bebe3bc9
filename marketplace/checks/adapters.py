"""System checks of adapters: each one reads the payloads of its platform and no others.

`<database>/platforms/samples/<platform>.json` has a small invented payload of each shape, under the
shape's name. The checks use no database.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.core.checks import CheckMessage, Error

from marketplace.exceptions import PayloadError, SourceError
from marketplace.loading.adapters import (
    Adapter,
    Payload,
    Shape,
    Source,
    load_shapes,
    split_document,
)
from marketplace.loading.targets import check_types, get_plan
from marketplace.loading.values import quote
from marketplace.registry import Platform

#: Names of the loader's shapes.
_RESERVED = ("TABLE", "MISSING")

#: Documents that could belong to any platform: no shape may recognize them.
_COMMON: tuple[Payload, ...] = (
    {},
    {"id": 1, "name": "Namuna", "price": 5},
    {"id": 1, "title": "Namuna", "url": "/namuna-1"},
    {"products": [{"id": 1, "name": "Namuna", "price": 5}]},
    {"data": {"products": [{"id": 1, "name": "Namuna", "price": 5}]}},
    {"data": [{"id": 1, "title": "Namuna", "price": 5}]},
    {"items": [{"id": 1, "name": "Namuna", "price": 5}]},
    {"results": [{"id": 1, "title": "Namuna", "price": 5}]},
)


class Sample(NamedTuple):
    """A payload, and the shape that must recognize it."""

    platform: Platform
    shape: str
    document: Payload


def check_shapes(platforms: list[Platform]) -> Iterator[CheckMessage]:
    """Yield errors in the adapters of the given platforms.

    :param platforms: platforms whose database is one of ALIASES
    """
    adapters: dict[Platform, Adapter] = {}
    samples: list[Sample] = []
    for platform in platforms:
        try:
            shapes = load_shapes(platform.database, platform.name)
        except SourceError as error:
            yield _error(str(error), f"Correct {_path(platform)}.", "E004")
            continue
        if not shapes:
            # The platform is loaded from tables only.
            continue
        adapters[platform] = Adapter(platform.name, shapes)
        yield from _check_names(platform, shapes)
        try:
            documents = _read_samples(platform)
        except SourceError as error:
            hint = "Write an object with a payload of each shape under the shape's name."
            yield _error(str(error), hint, "E010")
            continue
        yield from _check_samples(platform, shapes, documents)
        samples += [
            Sample(platform, shape.name, documents[shape.name])
            for shape in shapes
            if isinstance(documents.get(shape.name), dict)
        ]
    for platform, adapter in [*adapters.items()]:
        failure = _find_failure(platform, adapter, samples)
        if failure:
            del adapters[platform]
            yield failure
        else:
            yield from _check_common(platform, adapter)
    for sample in samples:
        if sample.platform in adapters:
            yield from _check_claims(sample, adapters)
            yield from _check_reading(sample, adapters[sample.platform])


def _path(platform: Platform) -> str:
    return f"{platform.database}/platforms/{platform.name}.py"


def _samples_path(platform: Platform) -> str:
    return f"{platform.database}/platforms/samples/{platform.name}.json"


def _error(message: str, hint: str, number: str) -> Error:
    return Error(message, hint=hint, id=f"marketplace.{number}")


def _check_names(platform: Platform, shapes: tuple[Shape, ...]) -> Iterator[CheckMessage]:
    names: list[Any] = [shape.name for shape in shapes]
    for name in dict.fromkeys(names):
        if not isinstance(name, str) or not name or name in _RESERVED or names.count(name) > 1:
            yield _error(
                f"A shape of {platform.name} has the name {quote(name)}, which is empty, used "
                "twice or reserved.",
                f"Give each shape in {_path(platform)} a unique name.",
                "E011",
            )


def _read_samples(platform: Platform) -> Mapping[str, Any]:
    """Return the sample payloads of a platform, by the name of their shape.

    :raises SourceError: if the file is missing, or is not a JSON object
    """
    path = _samples_path(platform)
    try:
        samples = json.loads((Path(settings.BASE_DIR) / path).read_bytes())
    except OSError as error:
        raise SourceError(f"Cannot read the file of samples {path}: {error.strerror}.") from None
    except ValueError as error:
        raise SourceError(f"The file of samples {path} is not JSON: {error}.") from None
    if not isinstance(samples, dict):
        raise SourceError(f"The file of samples {path} is not a JSON object.")
    return samples


def _check_samples(
    platform: Platform, shapes: tuple[Shape, ...], samples: Mapping[str, Any]
) -> Iterator[CheckMessage]:
    names = [shape.name for shape in shapes]
    for name in names:
        if not isinstance(samples.get(name), dict):
            yield _error(
                f"The shape {name} of {platform.name} has no sample.",
                f"Add a small invented payload to {_samples_path(platform)} under {name}.",
                "E010",
            )
    for name in samples:
        if name not in names:
            yield _error(
                f"{_samples_path(platform)} has a sample of {name}, which is not a shape of "
                f"{platform.name}.",
                f"Use one of {', '.join(map(str, names))}, or remove the sample.",
                "E011",
            )


def _find_failure(
    platform: Platform, adapter: Adapter, samples: list[Sample]
) -> CheckMessage | None:
    """Return an error if the adapter fails to recognize a document of any platform."""
    named = [(f"{sample.shape} of {sample.platform.name}", sample.document) for sample in samples]
    for name, document in [*named, *(("a common payload", document) for document in _COMMON)]:
        try:
            adapter.recognize(document)
        except PayloadError as error:
            return _error(
                f"recognize() of {platform.name} raised an error for the sample of {name}: "
                f"{error.reason}.",
                f"Change recognize() in {_path(platform)} to return False for a document in any "
                "other format.",
                "E012",
            )
    return None


def _check_claims(sample: Sample, adapters: Mapping[Platform, Adapter]) -> Iterator[CheckMessage]:
    """Yield an error unless the sample is recognized by its own shape, and by no other adapter."""
    sample_name = f"{sample.shape} of {sample.platform.name}"
    for platform, adapter in adapters.items():
        shape = adapter.recognize(sample.document)
        is_same_platform = platform == sample.platform
        if is_same_platform and shape is None:
            yield _error(
                f"recognize() of {sample_name} does not recognize its sample.",
                f"Correct recognize() in {_path(platform)}, or the sample.",
                "E012",
            )
        elif shape is not None and not (is_same_platform and shape.name == sample.shape):
            yield _error(
                f"{shape.name} of {platform.name} also matches the sample of {sample_name}.",
                f"Change recognize() of {shape.name} ({_path(platform)}) and of {sample.shape} "
                f"({_path(sample.platform)}) to test keys that only their own payloads have.",
                "E013",
            )


def _check_common(platform: Platform, adapter: Adapter) -> Iterator[CheckMessage]:
    for document in _COMMON:
        shape = adapter.recognize(document)
        if shape is not None:
            yield _error(
                f"{shape.name} of {platform.name} also matches {json.dumps(document)}, which could "
                "be a payload of any platform.",
                f"Change recognize() in {_path(platform)} to test keys that only {platform.name} "
                "payloads have.",
                "E013",
            )
            return


def _check_reading(sample: Sample, adapter: Adapter) -> Iterator[CheckMessage]:
    """Yield an error unless the sample can be parsed into records with the right types."""
    platform = sample.platform
    reason, count = "it has no records", 0
    try:
        shape = adapter.recognize(sample.document)
        if shape is None or shape.name != sample.shape:
            return
        for item in split_document(shape, sample.document, Source()):
            parsed = adapter.parse(item)
            if parsed.observed_at not in (None, item.observed_at) and not shape.is_timed:
                raise PayloadError("parse returns a time: give the Shape is_timed=True")
            check_types(parsed.records, get_plan(platform.database).record_types)
            count += len(parsed.records)
    except PayloadError as error:
        reason, count = str(error), 0
    if not count:
        yield _error(
            f"The sample of {sample.shape} of {platform.name} cannot be read: {reason}.",
            f"Correct split() or parse() in {_path(platform)}, or the sample.",
            "E014",
        )
