"""Full listings: input that lists all there is of a shop or category."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from marketplace.exceptions import SourceError
from marketplace.humanize import counted
from marketplace.loading.targets import Plan, Scope

#: The scopes that a full listing may have; "auto" is its only shop, or else its only category.
KINDS = ("auto", "shop", "category")

_FIELDS = {"shop": "seller_external_id", "category": "category_external_id"}

#: Shops or categories that a message names.
_NAMED = 5


@dataclass
class FullListing:
    """What was read of a full listing so far.

    :param count: its records
    :param found: "shop" and "category" → the external ids that the records told
    :param unknown: "shop" and "category" → how many records told none
    """

    count: int = 0
    found: dict[str, set[str]] = field(default_factory=lambda: {kind: set() for kind in _FIELDS})
    unknown: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_FIELDS, 0))
    since: datetime | None = None
    at: datetime | None = None

    def observe(self, plan: Plan, items: Iterable[Any], told: Iterable[Any]) -> None:
        """Count the items of a batch, given with what they say."""
        hashed = {target.record for target in plan.hashed_targets}
        for item, parsed in zip(items, told, strict=True):
            if not item.is_counted:
                continue
            self.count += 1
            moment = item.observed_at
            self.since = min(moment, self.since or moment)
            self.at = max(moment, self.at or moment)
            about = [each for each in parsed.records if type(each) in hashed]
            for kind, name in _FIELDS.items():
                named = {getattr(each, name, None) for each in parsed.records}
                named.discard(None)
                self.found[kind].update(filter(None, named))
                self.unknown[kind] += bool(about) and not named

    def add(self, other: "FullListing") -> None:
        """Add what another batch told."""
        self.count += other.count
        for kind in _FIELDS:
            self.found[kind] |= other.found[kind]
            self.unknown[kind] += other.unknown[kind]
        self.since = min(filter(None, (self.since, other.since)), default=None)
        self.at = max(filter(None, (self.at, other.at)), default=None)

    def scope(self, wanted: str) -> Scope:
        """Return the shops or categories of which it is the complete listing.

        :param wanted: one of KINDS
        :raises SourceError: if the records do not show it
        """
        if self.since is None or self.at is None:
            raise SourceError("The full listing is empty: nothing was marked missing.")
        kinds = _FIELDS if wanted == "auto" else (wanted,)
        limit = 1 if wanted == "auto" else None
        for kind in kinds:
            ids = sorted(self.found[kind])
            if ids and not self.unknown[kind] and (limit is None or len(ids) <= limit):
                return Scope(kind, tuple(ids), self.since, self.at)
        raise SourceError(self._explain(wanted))

    def _explain(self, wanted: str) -> str:
        named = "; ".join(
            f"{counted(len(ids), kind, '' if kind == 'shop' else 'categories')}"
            f" ({', '.join(sorted(ids)[:_NAMED]) or 'none'}), "
            f"{counted(self.unknown[kind], 'record')} without one"
            for kind, ids in self.found.items()
        )
        if wanted == "auto":
            advice = "Use --full-listing shop or --full-listing category if it is the whole of each"
        else:
            advice = "Load it without --full-listing"
        return (
            f"Cannot determine the scope of this full listing: it has {named}. Nothing was marked "
            f"missing. {advice}."
        )
