"""The summary of a run: counts, failures and warnings, as the commands and the API report them."""

from collections.abc import Callable
from dataclasses import dataclass, field

from marketplace.loading.batch import Outcome
from marketplace.loading.items import Reject

#: Number of distinct reasons of rejection that are counted.
_MAX_REASONS = 100


@dataclass
class Summary:
    """The result of a run.

    :param read: records read, repeats included: created + updated + unchanged + rejected
    :param held: further records that a gate holds until a person releases or discards them
    :param seconds: wall-clock time
    :param missing: items that were marked missing because a full listing does not list them
    :param failures: why sources could not be read to their end
    :param causes: why records are held
    :param warnings: about records that were loaded, but perhaps not as the user expects
    :param reasons: reason of rejection → number of records; the first hundred reasons
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
    failures: list[str] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def is_failure(self) -> bool:
        """Whether a source failed, all records were rejected, or records are held."""
        is_nothing = self.read > 0 and self.rejected == self.read
        return bool(self.failures) or bool(self.causes) or is_nothing

    @property
    def why_failed(self) -> str:
        """The reasons of a failure; empty if the run did not fail."""
        if self.is_failure and not self.failures and not self.causes:
            return f"No record could be loaded ({self.read:,} read): see the quarantine."
        return "\n".join([*self.causes, *self.failures])

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
            if reason in self.reasons or len(self.reasons) < _MAX_REASONS:
                self.reasons[reason] = self.reasons.get(reason, 0) + 1


#: Called after each batch.
Progress = Callable[[Summary], None]
