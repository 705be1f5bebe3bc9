"""Warnings of a run: its records were loaded, but perhaps not as the user expects.

Each source stores the distinct texts of its warnings. Adding a text again changes nothing, so a
batch that is read or committed twice neither loses nor repeats a warning.
"""

from collections.abc import Iterable

from marketplace.humanize import counted
from marketplace.loading.database_models import loading_models

#: Number of distinct texts that are stored for a source and shown for a run.
MAX_WARNINGS = 20

_FURTHER = "There were further warnings, which are not listed."


def merge(warnings: list[str], new: Iterable[str]) -> list[str]:
    """Return the warnings of a source with new ones added: at most MAX_WARNINGS and a remark."""
    merged = list(dict.fromkeys([*warnings, *new]))
    if len(merged) <= MAX_WARNINGS:
        return merged
    listed = [text for text in merged if text != _FURTHER]
    return [*listed[:MAX_WARNINGS], _FURTHER]


def of_run(alias: str, run_id: int) -> list[str]:
    """Return the warnings of a run, each with its first source and the number of other sources."""
    sources = loading_models(alias).sources
    names_by_text: dict[str, list[str]] = {}
    rows = sources.of_run(run_id).exclude(warnings=[]).order_by("pk")
    for name, texts in rows.values_list("name", "warnings").iterator():
        for text in texts:
            if text in names_by_text or len(names_by_text) <= MAX_WARNINGS:
                names_by_text.setdefault(text, []).append(name)
    return merge([], (f"{_sources(names)}: {text}" for text, names in names_by_text.items()))


def _sources(names: list[str]) -> str:
    others = len(names) - 1
    if not others:
        return names[0]
    return f"{names[0]} and {counted(others, 'other source')}"
