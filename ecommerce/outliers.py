"""Prices that loading marked as outliers, and the manual decisions about them.

An outlier is a price that was observed once, between two prices that agree, and that differs from
them as the database function `ecommerce_is_outlier` defines. It stays in the history and is
excluded from `ecommerce_price_statistics`.
"""

from collections.abc import Iterator

from django.db.models import QuerySet

from ecommerce.models import PricePoint
from marketplace.exceptions import MarketplaceError, SourceError
from marketplace.loading.review.entries import (
    Address,
    Entry,
    Json,
    Kind,
    Result,
    Section,
    Selection,
)

#: The number of outliers that are listed; more are counted.
_MAX_ROWS = 1000

_COLUMNS = (
    *("price", "price_change", "currency", "recorded_at", "is_outlier"),
    *("offer__platform", "offer__external_id", "offer__product__title"),
)


class Outliers(Kind):
    """Prices that are marked as outliers."""

    name = "outlier"
    model_name = "pricepoint"
    actions = {
        "release": "The price is right: it counts in lows and averages, and is not marked again.",
        "restore": "The price is marked as an outlier again and left out of lows and averages.",
    }

    def rows(self) -> QuerySet[PricePoint]:
        """Return the prices that are or were marked."""
        points = PricePoint.objects.using(self.alias).exclude(is_outlier=None)
        return points.select_related("offer__product")

    def waiting(self) -> QuerySet[PricePoint]:
        """Return the marked prices."""
        return self.rows().filter(is_outlier=True)

    def find(self, rows: QuerySet[PricePoint], address: Address) -> QuerySet[PricePoint]:
        """Return the price with an address; the platform may be missing."""
        rows = rows.filter(pk=address.pk)
        return rows.filter(offer__platform=address.platform) if address.platform else rows

    def sections(self, platform: str, show_all: bool) -> Iterator[Section]:
        """Yield the newest outliers."""
        rows = self.waiting().filter(**({"offer__platform": platform} if platform else {}))
        newest = rows.only(*_COLUMNS).order_by("-recorded_at", "-pk")[:_MAX_ROWS]
        entries, total = list(map(self._entry, newest)), rows.count()
        yield Section(self.name, "Outliers", total, entries, total - len(entries))

    def _entry(self, point: PricePoint) -> Entry:
        values = self.describe(point) | {"pk": point.pk, "platform": point.offer.platform}
        offer, reasons = f"offer {point.offer.external_id}", [self.reason(point)]
        return Entry([values["id"]], 1, offer, point.recorded_at, reasons, values)

    def reason(self, row: PricePoint) -> str:
        """Return the price and the one before it."""
        price = f"{row.price:,} {row.currency or ''}".strip()
        if row.price_change is None:
            return price
        return f"{price} (previously {row.price - row.price_change:,})"

    def candidates(self, action: str) -> QuerySet[PricePoint]:
        """Return the released prices for "restore", the marked ones for "release"."""
        return self.rows().filter(is_outlier=action != "restore")

    def address(self, row: PricePoint) -> Address:
        """Return the address of a price."""
        return Address(self.alias, row.offer.platform, row.pk)

    def describe(self, row: PricePoint) -> Json:
        """Return a price as JSON. The price before is None if it has another currency."""
        change = row.price_change
        return {
            "id": str(self.address(row)),
            "status": "marked" if row.is_outlier else "released",
            "price": row.price,
            "price_before": None if change is None else row.price - change,
            "currency": row.currency,
            "recorded_at": row.recorded_at,
            "offer": row.offer.external_id,
            "title": row.offer.product.title,
        }

    def count(self, selection: Selection) -> int:
        """Return the number of prices. Their state is checked when it changes."""
        return len(selection.pks)

    def label(self, selection: Selection) -> str:
        """Return the name of a price."""
        return f"outlier {selection.address}"

    def release(self, selection: Selection) -> Result:
        """Accept a price: it is included in the statistics, and is not marked again."""
        self._decide(selection, is_outlier=False)
        return Result(f"Released {self.label(selection)}.", [])

    def restore(self, selection: Selection) -> Result:
        """Undo a release: mark the price as an outlier again."""
        self._decide(selection, is_outlier=True)
        return Result(f"Restored {self.label(selection)}.", [])

    def discard(self, selection: Selection) -> Result:
        """Refuse: the price was observed."""
        raise SourceError(
            "An outlier stays in the price history, but is excluded from lows and averages. "
            "If its price is right, release it."
        )

    def _decide(self, selection: Selection, *, is_outlier: bool) -> None:
        address = selection.address
        points = PricePoint.objects.using(self.alias).filter(pk=address.pk)
        # One statement, because loading may mark the same point concurrently.
        if not points.filter(is_outlier=not is_outlier).update(is_outlier=is_outlier):
            state = "marked as an outlier" if not is_outlier else "a released outlier"
            raise MarketplaceError(
                f"Price point {address.pk} is not {state}. See the price history in the admin."
                if points.exists()
                else f"The price point {address.pk} does not exist in {self.alias}."
            )
