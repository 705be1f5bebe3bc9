"""Feeds of invented shops, and the offers and prices that are stored for them."""

from datetime import UTC, datetime, timedelta

from ecommerce.models import Offer, PricePoint
from marketplace.loading.ingest import ingest

START = datetime(2026, 3, 1, 9, tzinfo=UTC)

#: Ten items, of which a gate lets one be missing.
ALL = range(1, 11)
BUT_ONE = range(1, 10)
HALF = range(1, 6)


def day(number):
    return START + timedelta(days=number)


class Feeds:
    """The price lists of shops, each a file in a folder."""

    FEED = (
        '<?xml version="1.0"?><yml_catalog date="{date}"><shop><name>{shop}</name><currencies>'
        '<currency id="UZS" rate="1"/></currencies><categories><category id="1">TV</category>'
        '<category id="2">Audio</category></categories><offers>{offers}</offers></shop>'
        "</yml_catalog>"
    )
    OFFER = (
        '<offer id="{n}" available="true"><name>TV {n}</name><price>{price}</price>'
        "<currencyId>UZS</currencyId><categoryId>{category}</categoryId></offer>"
    )

    def __init__(self, folder):
        self.folder = folder

    def write(self, at, numbers, *, shop="Malika", categories=(1,), faulty=()):
        """Write a feed, whose offers alternate between the categories; return its path."""
        offers = [
            self.OFFER.format(
                n=n,
                price="1000 yoki 2000" if n in faulty else 1000 + n,
                category=categories[n % len(categories)],
            )
            for n in numbers
        ]
        path = self.folder / f"{shop}-{at}-{len(offers)}.xml"
        date = day(at).isoformat()
        path.write_text(self.FEED.format(date=date, shop=shop, offers="".join(offers)))
        return str(path)

    def load(self, at, numbers, *, full_listing="shop", **options):
        return ingest("yandex", [self.write(at, numbers, **options)], full_listing=full_listing)


def unavailable():
    """Return the offers that are not for sale."""
    offers = Offer.objects.filter(is_available=False).order_by("external_id")
    return list(offers.values_list("external_id", flat=True))


def points(external_id):
    """Return the price history of an offer: day, price, whether it was for sale."""
    stored = PricePoint.objects.filter(offer__external_id=external_id).order_by("recorded_at")
    return [
        ((point.recorded_at - START).days, int(point.price), point.is_available) for point in stored
    ]


def rows():
    """Return all offers and prices, and the transactions that wrote them."""
    return [
        list(model.objects.extra(select={"written": "xmin::text"}).order_by("pk").values())
        for model in (Offer, PricePoint)
    ]
