"""Show the price history of an offer."""

import json
from datetime import UTC, datetime, time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import Error
from django.utils.dateparse import parse_date, parse_datetime

from ecommerce import queries
from ecommerce.archive import notices
from ecommerce.models import Offer
from ecommerce.queries import Point
from marketplace.cli import add_format_argument
from marketplace.exceptions import MarketplaceError
from marketplace.humanize import counted
from marketplace.postgresql.errors import explain

#: Offers of a product that a message lists.
_MAX_OFFERS = 10


class Command(BaseCommand):
    """Show the price points of an offer."""

    help = (
        "Show the changes of an offer's price and availability in a period, from the months in "
        "PostgreSQL and from archived months. Days and times are in UTC."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.add_argument("platform", metavar="PLATFORM", help="Platform of the offer.")
        parser.add_argument("offer", metavar="OFFER", help="The external_id of the offer.")
        parser.add_argument(
            "--since", help="Start of the period, such as 2025-06-01. Default: no start."
        )
        parser.add_argument("--until", help="End of the period, exclusive. Default: no end.")
        add_format_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the points and their number."""
        since = _moment(options["since"], queries.ALWAYS[0])
        until = _moment(options["until"], queries.ALWAYS[1])
        try:
            offer = _offer(options["platform"], options["offer"])
            points = queries.price_points([offer], since, until)
            lost = notices.lost_months_message(since, until)
        except (Error, MarketplaceError) as error:
            raise CommandError(explain(error)) from error
        if lost:
            self.stderr.write(self.style.WARNING(lost))
        if options["format"] == "json":
            self._print_json(points)
            return
        for point in points:
            self.stdout.write(_line(point))
        self.stdout.write(f"{counted(len(points), 'point')}")

    def _print_json(self, points: list[Point]) -> None:
        text = json.dumps([point._asdict() for point in points], cls=DjangoJSONEncoder, indent=2)
        self.stdout.write(text)


def _offer(platform: str, external_id: str) -> int:
    offers = Offer.objects.filter(platform=platform, external_id=external_id)
    pk = offers.values_list("pk", flat=True).first()
    if pk is None:
        advice = _offers_of(platform, external_id)
        raise MarketplaceError(f"The offer {external_id} of {platform} does not exist.{advice}")
    return pk


def _offers_of(platform: str, external_id: str) -> str:
    """Return a sentence with the offers of the product that has this id; empty without one."""
    offers = Offer.objects.filter(product__platform=platform, product__external_id=external_id)
    ids = list(offers.order_by("pk").values_list("external_id", flat=True)[: _MAX_OFFERS + 1])
    if not ids:
        return ""
    shown = [*ids[:_MAX_OFFERS], *(["…"] if len(ids) > _MAX_OFFERS else [])]
    return f" {external_id} is a product. Its offers: {', '.join(shown)}."


def _moment(text: str | None, default: datetime) -> datetime:
    """Parse a UTC day, or a time with or without a zone. A time without one is UTC.

    :raises CommandError: if the text is neither
    """
    if text is None:
        return default
    try:
        day, parsed = parse_date(text), parse_datetime(text)
    except ValueError:
        day = parsed = None
    if day is not None:
        return datetime.combine(day, time(), UTC)
    if parsed is None:
        raise CommandError(f"{text} is not a day or time, such as 2025-06-01 or 2025-06-01T10:00Z.")
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _line(point: Point) -> str:
    parts = [
        point.recorded_at.astimezone(UTC).isoformat(sep=" ", timespec="seconds"),
        f"{point.price:>18,.2f} {point.currency or '':3}",
        f"{point.price_change_percent:+.2f}%" if point.price_change_percent is not None else "",
        "not available" if point.is_available is False else "",
        "outlier" if point.is_outlier else "",
    ]
    return "  ".join(part for part in parts if part)
