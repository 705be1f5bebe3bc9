"""The summary of a run: counts, failures and warnings, as the commands and the API report them.

A warning is about records that were loaded, but perhaps not as the user expects. Each source stores
the distinct texts of its warnings. Adding a text again changes nothing, so a batch that is read or
committed twice neither loses nor repeats a warning.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from marketplace.humanize import counted
from marketplace.loading.items import Outcome, Reject
from marketplace.loading.models import loading_models

#: Number of distinct reasons of rejection that are counted, and that are listed.
_MAX_REASONS, _LISTED_REASONS = 100, 10

#: Fields whose key in JSON output differs from their name.
_JSON_KEYS = {
    "source_errors": "failures",
    "hold_reasons": "causes",
    "rejection_counts": "reasons",
}


@dataclass
class Summary:
    """The result of a run.

    :param read: records read, repeats included: created + updated + unchanged + rejected
    :param held: further records that a gate holds until they are released or discarded
    :param seconds: wall-clock time
    :param missing: items that were marked missing because a full listing does not list them
    :param source_errors: why sources could not be read to their end
    :param hold_reasons: why records are held
    :param warnings: about records that were loaded, but perhaps not as the user expects
    :param rejection_counts: reason of rejection → number of records; the first hundred reasons
    """

    platform: str
    run_id: int | None = None
    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    held: int = 0
    missing: int = 0
    price_points: int = 0
    retries: int = 0
    seconds: float = 0.0
    source_errors: list[str] = field(default_factory=list)
    hold_reasons: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    rejection_counts: dict[str, int] = field(default_factory=dict)

    @property
    def needs_attention(self) -> bool:
        """Whether a source failed, all records were rejected, or records are held."""
        all_rejected = self.read > 0 and self.rejected == self.read
        return bool(self.source_errors) or bool(self.hold_reasons) or all_rejected

    @property
    def error_message(self) -> str:
        """Why the run failed or was held; empty if it completed."""
        if self.needs_attention and not self.source_errors and not self.hold_reasons:
            return f"No record could be loaded ({self.read:,} read): see the quarantine."
        return "\n".join([*self.hold_reasons, *self.source_errors])

    @property
    def counts(self) -> str:
        """The counts of records and price points, as text."""
        names = ("created", "updated", "unchanged", "rejected", "price_points")
        return ", ".join(f"{name.replace('_', ' ')} {getattr(self, name):,}" for name in names)

    def add(self, outcome: Outcome, rejects: list[Reject]) -> None:
        """Add the counts of a batch that was committed."""
        self.read += outcome.created + outcome.updated + outcome.unchanged + len(rejects)
        self.created += outcome.created
        self.updated += outcome.updated
        self.unchanged += outcome.unchanged
        self.rejected += len(rejects)
        self.price_points += outcome.price_points
        for reject in rejects:
            reason = f"{reject.field}: {reject.reason}" if reject.field else reject.reason
            counts = self.rejection_counts
            if reason in counts or len(counts) < _MAX_REASONS:
                counts[reason] = counts.get(reason, 0) + 1

    def rejections(self) -> Iterator[str]:
        """Yield lines with the reasons for which records were rejected, and the next step."""
        for reason, count in list(self.rejection_counts.items())[:_LISTED_REASONS]:
            yield f"quarantined {count:,}: {reason}"
        if self.rejection_counts:
            yield f"See: python manage.py ingest_review list --platform {self.platform}"

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as the JSON output of `ingest`."""
        return {_JSON_KEYS.get(name, name): value for name, value in asdict(self).items()}


#: Called after each batch.
Progress = Callable[[Summary], None]


#: Number of distinct texts that are stored for a source and shown for a run.
MAX_WARNINGS = 20

_FURTHER = "There were further warnings, which are not listed."


def merge_warnings(warnings: list[str], new: Iterable[str]) -> list[str]:
    """Return the warnings of a source with new ones added: at most MAX_WARNINGS and a remark."""
    merged = list(dict.fromkeys([*warnings, *new]))
    if len(merged) <= MAX_WARNINGS:
        return merged
    listed = [text for text in merged if text != _FURTHER]
    return [*listed[:MAX_WARNINGS], _FURTHER]


def warnings_of(alias: str, run_id: int) -> list[str]:
    """Return the warnings of a run, each with its first source and the number of other sources."""
    sources = loading_models(alias).sources
    names_by_text: dict[str, list[str]] = {}
    rows = sources.of_run(run_id).exclude(warnings=[]).order_by("pk")
    for name, warnings in rows.values_list("name", "warnings").iterator():
        for text in warnings:
            if text in names_by_text or len(names_by_text) <= MAX_WARNINGS:
                names_by_text.setdefault(text, []).append(name)
    texts = (f"{_sources(names)}: {text}" for text, names in names_by_text.items())
    return merge_warnings([], texts)


def _sources(names: list[str]) -> str:
    others = len(names) - 1
    if not others:
        return names[0]
    return f"{names[0]} and {counted(others, 'other source')}"
