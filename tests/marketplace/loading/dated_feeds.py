"""Feeds with a date, and the offers, prices and payloads that are stored for them."""

from datetime import UTC, datetime

from ecommerce.models import Offer, PricePoint, RawPayload
from marketplace.loading.ingest import ingest
from marketplace.loading.values import TASHKENT

DATE = datetime(2024, 1, 15, 10, tzinfo=TASHKENT)


def write_feed(folder, date, *prices, name="feed.xml"):
    """Write a feed with the prices of the offers 1, 2, …; return its path."""
    offers = "".join(
        f'<offer id="{number}"><name>Choynak</name><price>{price}</price>'
        "<currencyId>UZS</currencyId></offer>"
        for number, price in enumerate(prices, 1)
    )
    path = folder / name
    path.write_text(
        f'<?xml version="1.0"?><yml_catalog date="{date}"><shop><name>Shop</name>'
        f"<offers>{offers}</offers></shop></yml_catalog>"
    )
    return str(path)


def load(path, **options):
    """Load a feed, which must succeed; return the summary, with the time before as `since`."""
    before = datetime.now(UTC)
    summary = ingest("yandex", [path], **options)
    assert (summary.rejected, summary.needs_attention) == (0, False)
    summary.since = before
    return summary


def rows():
    """Return all offers, prices and payloads, and the transactions that wrote them."""
    return [
        list(model.objects.extra(select={"written": "xmin::text"}).order_by("pk").values())
        for model in (Offer, PricePoint, RawPayload)
    ]


def prices(number=1):
    """Return the price history of an offer."""
    points = PricePoint.objects.filter(offer__external_id=f"shop:{number}")
    return [int(point.price) for point in points.order_by("recorded_at")]
