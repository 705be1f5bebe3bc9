"""The summary of a run: counts, failures and warnings, as the commands and the API report them."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from marketplace.loading.batch import Outcome
from marketplace.loading.items import Reject

#: Number of distinct reasons of rejection that are counted.
_MAX_REASONS = 100

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

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as the JSON output of `ingest`."""
        return {_JSON_KEYS.get(name, name): value for name, value in asdict(self).items()}


#: Called after each batch.
Progress = Callable[[Summary], None]
