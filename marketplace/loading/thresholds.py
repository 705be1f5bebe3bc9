"""How far a platform's data may be off what is usual before a gate holds them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from django.conf import settings

from marketplace.exceptions import MarketplaceError
from marketplace.loading.values import quote
from marketplace.registry import PLATFORMS

#: The section of `INGEST_GATES` that counts for all platforms.
DEFAULT = "default"


@dataclass(frozen=True)
class Thresholds:
    """What the gates of a platform let pass. Shares are between 0 and 1.

    Set by the variable INGEST_GATES, in JSON, for all platforms or for one:
    `{"default": {"moved": 0.6}, "olx": {"essential": ["title"], "volume": 0.5}}`.

    :param is_enabled: false lets everything pass; it is measured all the same
    :param rows: rows of a stretch below which it is judged only together with those before it
    :param runs: recent runs that say what is usual
    :param fewest_runs: recent runs without which only essential fields are compared to them
    :param essential: fields that are compared as soon as there is one run to compare to
    :param missing: by how much the share of records without a field may exceed the usual one
    :param rise: the same for the share of repeated ids, and of prices that moved
    :param margin: by how much a share may exceed the worst stretch of recent runs, if that is more
    :param unreadable: share of records that are damaged, or of another platform or form
    :param repeated: share of records that repeat an id with other content, without recent runs
    :param factor: the factor by which a price must rise or fall to have moved
    :param moved: share of prices that moved, without recent runs
    :param slipped: share of prices that moved by a factor of 10, 100 or 1,000, within 5%
    :param currency: share of prices whose currency is another one, or is not told any more
    :param few: prices that slipped, or changed their currency, that are no reason to hold anything
    :param volume: share of the usual rows that a full listing must have
    """

    is_enabled: bool = True
    rows: int = 50
    runs: int = 10
    fewest_runs: int = 3
    essential: tuple[str, ...] = ("price", "title")
    missing: float = 0.2
    rise: float = 0.3
    margin: float = 0.05
    unreadable: float = 0.5
    repeated: float = 0.8
    factor: float = 2.0
    moved: float = 0.5
    slipped: float = 0.05
    currency: float = 0.05
    few: int = 10
    volume: float = 0.7


def thresholds(platform: str) -> Thresholds:
    """Return the thresholds of a platform: its own, those for all, and the defaults.

    :raises MarketplaceError: if `INGEST_GATES` is wrong
    """
    config = settings.INGEST_GATES
    for fault in find_faults(config):
        raise MarketplaceError(f"INGEST_GATES is wrong: {fault}.")
    chosen = {**config.get(DEFAULT, {}), **config.get(platform, {})}
    if "essential" in chosen:
        chosen["essential"] = tuple(chosen["essential"])
    return Thresholds(**chosen)


def find_faults(config: Any) -> Iterator[str]:
    """Yield what is wrong with a value of `INGEST_GATES`, each with what would be right."""
    names = [DEFAULT, *(platform.name for platform in PLATFORMS)]
    if not isinstance(config, Mapping):
        yield f"it is no JSON object with keys out of {', '.join(names)}"
        return
    for name, section in config.items():
        if name not in names:
            yield f"{quote(name)} is not a platform; use one of {', '.join(names)}"
        elif not isinstance(section, Mapping):
            yield f"{name} is no JSON object of thresholds"
        else:
            yield from _faults_of_section(name, section)


def _faults_of_section(name: str, section: Mapping[str, Any]) -> Iterator[str]:
    known = asdict(Thresholds())
    for key, value in section.items():
        if key not in known:
            yield f"{name}.{key} is no threshold; known ones: {', '.join(known)}"
        elif not _is_sound(key, value):
            shown = json.dumps(value, ensure_ascii=False)
            yield f"{name}.{key} cannot be {shown}; it is {_describe(key)}"


def _is_sound(key: str, value: Any) -> bool:
    kind = {field.name: field.type for field in fields(Thresholds)}[key]
    if kind is bool:
        return isinstance(value, bool)
    if kind is int:
        return type(value) is int and value >= 1
    if kind is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and (value > 1 if key == "factor" else 0 <= value <= 1)
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def _describe(key: str) -> str:
    if key == "factor":
        return "a number above 1"
    kind = {field.name: field.type for field in fields(Thresholds)}[key]
    described = {bool: "true or false", int: "a whole number, at least 1"}
    described |= {float: "a share between 0 and 1"}
    return described.get(kind, "a list of fields") if isinstance(kind, type) else "a list of fields"
