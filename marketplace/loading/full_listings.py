"""Full listings: input that is the complete listing of a shop or category.

Items that are stored for the same shop or category, and not in the listing, are marked missing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from marketplace.exceptions import SourceError
from marketplace.humanize import counted
from marketplace.loading.targets import Plan, Scope

#: The kinds of scope of a full listing: "auto" is its only shop, or else its only category.
KINDS = ("auto", "shop", "category")

_FIELDS = {"shop": "seller_external_id", "category": "category_external_id"}

#: The number of shops or categories that a message names.
_NAMED = 5


@dataclass
class FullListing:
    """The shops and categories in the records of a full listing that were read until now.

    :param count: number of its records
    :param ids: "shop" and "category" → the external ids in its records
    :param without_id: "shop" and "category" → number of records without such an id
    :param since: the time of its first observation
    :param at: the time of its last observation
    """

    count: int = 0
    ids: dict[str, set[str]] = field(default_factory=lambda: {kind: set() for kind in _FIELDS})
    without_id: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_FIELDS, 0))
    since: datetime | None = None
    at: datetime | None = None

    def observe(self, plan: Plan, items: Iterable[Any], results: Iterable[Any]) -> None:
        """Add the items of a batch.

        :param results: the parsed content of each item
        """
        hashed = {target.record for target in plan.hashed_targets}
        for item, parsed in zip(items, results, strict=True):
            if not item.is_counted:
                continue
            self.count += 1
            observed_at = item.observed_at
            self.since = min(observed_at, self.since or observed_at)
            self.at = max(observed_at, self.at or observed_at)
            is_product = any(type(record) in hashed for record in parsed.records)
            for kind, name in _FIELDS.items():
                ids = {getattr(record, name, None) for record in parsed.records}
                ids.discard(None)
                self.ids[kind].update(filter(None, ids))
                self.without_id[kind] += is_product and not ids

    def add(self, other: "FullListing") -> None:
        """Add the shops and categories of another batch."""
        self.count += other.count
        for kind in _FIELDS:
            self.ids[kind] |= other.ids[kind]
            self.without_id[kind] += other.without_id[kind]
        self.since = min(filter(None, (self.since, other.since)), default=None)
        self.at = max(filter(None, (self.at, other.at)), default=None)

    def scope(self, wanted: str) -> Scope:
        """Return the shops or categories that it lists completely.

        :param wanted: one of KINDS
        :raises SourceError: if the records do not show them
        """
        if self.since is None or self.at is None:
            raise SourceError("The full listing is empty: nothing was marked missing.")
        kinds = _FIELDS if wanted == "auto" else (wanted,)
        limit = 1 if wanted == "auto" else None
        for kind in kinds:
            ids = sorted(self.ids[kind])
            if ids and not self.without_id[kind] and (limit is None or len(ids) <= limit):
                return Scope(kind, tuple(ids), self.since, self.at)
        raise SourceError(self._explain(wanted))

    def _explain(self, wanted: str) -> str:
        contents = "; ".join(
            f"{counted(len(ids), kind, '' if kind == 'shop' else 'categories')}"
            f" ({', '.join(sorted(ids)[:_NAMED]) or 'none'}), "
            f"{counted(self.without_id[kind], 'record')} without one"
            for kind, ids in self.ids.items()
        )
        if wanted == "auto":
            advice = (
                "Use --full-listing shop or --full-listing category if the input lists each shop "
                "or category completely"
            )
        else:
            advice = "Load the input without --full-listing"
        return (
            f"Cannot determine the scope of this full listing: it has {contents}. Nothing was "
            f"marked missing. {advice}."
        )
