"""The thresholds of the gates: how far a platform's data may differ from the usual data."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from django.conf import settings

from marketplace.exceptions import MarketplaceError
from marketplace.loading.values import quote
from marketplace.registry import PLATFORMS

#: The section of `INGEST_GATES` that applies to all platforms.
DEFAULT = "default"


@dataclass(frozen=True)
class Thresholds:
    """The thresholds of a platform. Shares are between 0 and 1.

    The variable INGEST_GATES sets them, in JSON, for all platforms or for one:
    `{"default": {"moved": 0.6}, "olx": {"essential": ["title"], "volume": 0.5}}`.

    :param is_enabled: if false, everything passes; it is measured all the same
    :param rows: a batch with fewer rows is judged together with the batches before it
    :param runs: number of recent runs with which a run is compared
    :param fewest_runs: with fewer recent runs, only essential fields are compared
    :param essential: fields that are compared as soon as there is one recent run
    :param missing: by how much the share of records without a field may exceed the usual one
    :param rise: the same for the share of repeated ids, and of prices that moved
    :param margin: by how much a share may exceed the highest share in a recent batch; the
        higher of this and the limit by `missing` or `rise` applies
    :param unreadable: share of records that are damaged, or of another platform or shape
    :param repeated: share of records that repeat an id with other content; the limit with fewer
        than `fewest_runs` recent runs
    :param factor: the factor by which a price must rise or fall to have moved
    :param moved: share of prices that moved; the limit with fewer than `fewest_runs` recent runs
    :param slipped: share of price-scale errors: prices that moved by a factor of 10, 100 or 1,000,
        within 5%
    :param currency: share of prices whose currency changed, or is no longer stated
    :param few: minimum number of price-scale errors, or of changed currencies, for which a batch
        is held
    :param volume: share of the usual number of rows that a full listing must have
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


def get_thresholds(platform: str) -> Thresholds:
    """Return the thresholds of a platform: its own, then those for all, then the defaults.

    :raises MarketplaceError: if `INGEST_GATES` is not valid
    """
    config = settings.INGEST_GATES
    for error in find_errors(config):
        raise MarketplaceError(f"INGEST_GATES is not valid: {error}.")
    chosen = {**config.get(DEFAULT, {}), **config.get(platform, {})}
    if "essential" in chosen:
        chosen["essential"] = tuple(chosen["essential"])
    return Thresholds(**chosen)


def find_errors(config: Any) -> Iterator[str]:
    """Yield the errors in a value of `INGEST_GATES`, each with the valid choices."""
    names = [DEFAULT, *(platform.name for platform in PLATFORMS)]
    if not isinstance(config, Mapping):
        yield f"it is not a JSON object with the keys {', '.join(names)}"
        return
    for name, section in config.items():
        if name not in names:
            yield f"{quote(name)} is not a platform; use one of {', '.join(names)}"
        elif not isinstance(section, Mapping):
            yield f"{name} is not a JSON object of thresholds"
        else:
            yield from _section_errors(name, section)


def _section_errors(name: str, section: Mapping[str, Any]) -> Iterator[str]:
    names = asdict(Thresholds())
    for key, value in section.items():
        if key not in names:
            yield f"{name}.{key} is not a threshold; use one of {', '.join(names)}"
        elif not _is_valid(key, value):
            shown = json.dumps(value, ensure_ascii=False)
            yield f"{name}.{key} cannot be {shown}; it must be {_describe(key)}"


def _is_valid(key: str, value: Any) -> bool:
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
