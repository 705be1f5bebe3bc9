"""The environment and `.env`, and the values of variables that need parsing.

:raises ImproperlyConfigured: in all functions, if a value is invalid
"""

import json
from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from marketplace import secret_checks

BASE_DIR = Path(__file__).resolve().parent.parent.parent

env = environ.Env()
env.read_env(BASE_DIR / ".env")

_UNITS = {"MB": 1024**2, "GB": 1024**3, "TB": 1024**4}


def embedded_reserve() -> int:
    """Return EMBEDDED_RESERVE in bytes."""
    text: str = env.str("EMBEDDED_RESERVE", default="") or "128MB"
    size = _parse_size(text)
    if size is None:
        raise ImproperlyConfigured(
            f"EMBEDDED_RESERVE is {text}. Write a size such as 128MB; 0 for no reserve."
        )
    return size


def demo_end() -> date | None:
    """Return DEMO_END; None if it is not set."""
    text: str = env.str("DEMO_END", default="")
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise ImproperlyConfigured(
            f"DEMO_END is {text}. Write a date such as 2026-11-20."
        ) from None


def disk_capacity(aliases: Collection[str]) -> dict[str, int]:
    """Return DISK_CAPACITY as alias → bytes; the empty alias applies to all others."""
    capacities = {}
    for entry in env.list("DISK_CAPACITY", default=[]):
        alias, _, text = entry.strip().rpartition("=")
        size = _parse_size(text)
        if not size or alias not in {"", *aliases}:
            raise ImproperlyConfigured(
                f"DISK_CAPACITY contains {entry}. Write 500GB for all servers, or ecommerce=2TB,"
                f"procurement=500GB; the databases are {', '.join(aliases)}."
            )
        capacities[alias] = size
    return capacities


def ingest_gates() -> Any:
    """Return the JSON value of INGEST_GATES."""
    text: str = env.str("INGEST_GATES", default="")
    try:
        return json.loads(text) if text else {}
    except ValueError as error:
        raise ImproperlyConfigured(
            f"INGEST_GATES is not valid JSON: {error}. The value is {text}; see .env.example."
        ) from None


def signing_keys() -> list[str]:
    """Return the keys of BACKUP_SIGNING_KEY."""
    keys = [key.strip() for key in env.list("BACKUP_SIGNING_KEY", default=[])]
    keys = [key for key in keys if key]
    named = [("A key in BACKUP_SIGNING_KEY", key) for key in keys]
    if errors := list(secret_checks.find_secret_errors(named, secret_checks.MIN_SIGNING_KEY)):
        raise ImproperlyConfigured("\n".join(dict.fromkeys(errors)))
    return keys


def _parse_size(text: str) -> int | None:
    """Return the bytes of a size such as 128MB, or 0; None if the text is invalid."""
    number, unit = text[:-2], text[-2:].upper()
    if text == "0":
        return 0
    return int(number) * _UNITS[unit] if number.isdigit() and unit in _UNITS else None
