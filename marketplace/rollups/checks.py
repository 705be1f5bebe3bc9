"""System check of the rollup files."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from marketplace.registry import ALIASES
from marketplace.rollups.definition import read_rollups


@register("rollups")
def check_files(**options: Any) -> list[CheckMessage]:
    """Check the heads of all rollup files."""
    return [
        Error(str(error), id="rollups.E001")
        for alias in ALIASES
        for error in read_rollups(alias)[1]
    ]
