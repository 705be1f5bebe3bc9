"""Warnings of a run: its records were loaded, but not as the user may expect.

Each source keeps the distinct texts of its warnings. Adding a text again changes nothing, so a
batch that is read or committed twice neither loses a warning nor doubles it.
"""

from collections.abc import Iterable
from typing import Any

from django.apps import apps

from marketplace.humanize import counted

#: Distinct texts that are kept of a source, and shown of a run.
MAX_WARNINGS = 20

_FURTHER = "There were further warnings, which are not listed."


def merge(known: list[str], new: Iterable[str]) -> list[str]:
    """Return the warnings of a source after some more; the list stays bounded."""
    merged = list(dict.fromkeys([*known, *new]))
    if len(merged) <= MAX_WARNINGS:
        return merged
    kept = [text for text in merged if text != _FURTHER]
    return [*kept[:MAX_WARNINGS], _FURTHER]


def of_run(run: Any) -> list[str]:
    """Return the warnings of a run, each with its first source and the number of the others.

    :param run: a row of LoadRun
    """
    sources: Any = apps.get_model(run._meta.app_label, "LoadSource").objects.using(run._state.db)
    found: dict[str, list[str]] = {}
    rows = sources.filter(run_id=run.pk).exclude(warnings=[]).order_by("pk")
    for name, texts in rows.values_list("name", "warnings").iterator():
        for text in texts:
            if text in found or len(found) <= MAX_WARNINGS:
                found.setdefault(text, []).append(name)
    return merge([], (f"{_sources(names)}: {text}" for text, names in found.items()))


def _sources(names: list[str]) -> str:
    others = len(names) - 1
    if not others:
        return names[0]
    return f"{names[0]} and {counted(others, 'other source')}"
