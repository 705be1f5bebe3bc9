"""Demonstration data: 120 days of invented payloads in each platform's own form, and their loading.

Each app's `demo` module invents what its platforms would return; the way from there into the
tables is that of real payloads. All of it is derived from a fixed seed and the keys of things, so
that the same scale gives the same bytes on every machine, and a second run changes nothing.
"""

import os
import secrets
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from importlib import import_module
from itertools import groupby
from pathlib import Path
from random import Random
from typing import NamedTuple

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db.models import Q

from marketplace import rates
from marketplace.humanize import counted
from marketplace.loading import ingest
from marketplace.loading.adapters import Payload
from marketplace.loading.database_models import loading_models
from marketplace.loading.values import TASHKENT
from marketplace.registry import ALIASES, get_platform

#: The last day of the demonstration's time; nothing in it comes later.
END = datetime(2026, 11, 20, 20, tzinfo=TASHKENT)
DAYS = 120
START = END - timedelta(days=DAYS)

#: UZS for one unit of a currency: makes the prices of one thing on several platforms agree.
RATES = {"UZS": 1, "RUB": 150, "KZT": 23, "USD": 12_000}

ADMIN = "admin"

_SEED = "marketplace"


class Feed(NamedTuple):
    """What a platform returned in one visit.

    :param name: unique among feeds; stands where the file's name would
    :param documents: generated one by one, as a reader would hand them to the adapter
    """

    platform: str
    name: str
    observed_at: datetime
    documents: Iterable[Payload]


class Total(NamedTuple):
    """The sums over the feeds of a platform that were loaded: none if all were known."""

    platform: str
    feeds: int = 0
    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    price_points: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        if not self.feeds:
            return f"{self.platform}: loaded already"
        return (
            f"{self.platform}: {self.read:,} read, {self.created:,} created, "
            f"{self.updated:,} updated, {self.unchanged:,} unchanged, {self.rejected:,} rejected, "
            f"{counted(self.price_points, 'price point')}, {self.seconds:.1f} s"
        )


def draw(*key: object) -> Random:
    """Return the random numbers that belong to a key, the same in every process."""
    # Not hash(): it differs between processes. Random hashes a text by SHA-512.
    return Random(":".join(map(str, (_SEED, *key))))


def moment(day: float) -> datetime:
    """Return the time of a day of the demonstration: 0 is its start, DAYS its end."""
    return START + timedelta(days=day)


def feeds(scale: int) -> Iterator[Feed]:
    """Yield the feeds of all platforms: platform by platform, each in the order of time."""
    for alias in ALIASES:
        yield from import_module(f"{alias}.demo").feeds(scale)


def load(scale: int, *, again: bool = False) -> Iterator[Total]:
    """Load the demonstration data; yield the sums of each platform as soon as it is loaded.

    Loading it again, or a larger scale after a smaller one, adds only what is missing.

    :param again: whether to read feeds, too, that were loaded to their end before
    """
    for platform, visits in groupby(feeds(scale), key=lambda feed: feed.platform):
        known = frozenset() if again else _loaded_sources(platform)
        total = Total(platform)
        for feed in visits:
            source = f"{feed.name} (scale {scale})"
            if source not in known:
                total = _added(total, _load_feed(feed, source))
        yield total


def _loaded_sources(platform: str) -> frozenset[str]:
    runs = loading_models(get_platform(platform).database).runs
    loaded = runs.of(platform).completed().filter(source__startswith="demo-")
    return frozenset(loaded.values_list("source", flat=True))


def _load_feed(feed: Feed, source: str) -> ingest.Summary:
    return ingest.load_documents(
        feed.platform, feed.documents, name=source, observed_at=feed.observed_at
    )


def _added(total: Total, summary: ingest.Summary) -> Total:
    return Total(
        total.platform,
        total.feeds + 1,
        total.read + summary.read,
        total.created + summary.created,
        total.updated + summary.updated,
        total.unchanged + summary.unchanged,
        total.rejected + summary.rejected,
        total.price_points + summary.price_points,
        total.seconds + summary.seconds,
    )


def load_rates(alias: str) -> rates.Summary:
    """Load invented exchange rates, of every 30th day, that agree with the prices of the feeds.

    A currency that has rates already gets none: nothing invented may stand among official ones.
    """
    stored = apps.get_model(alias, "ExchangeRate")._default_manager
    known = {"UZS", *stored.values_list("currency", flat=True).distinct()}
    # From a month before: ads and lots are older than their first observation.
    days = [moment(day).date() for day in range(-30, DAYS + 1, 30)]
    return rates.load_rates(
        alias,
        [
            rates.Rate(currency, day, Decimal(rate))
            for currency, rate in RATES.items()
            if currency not in known
            for day in days
        ],
    )


def create_admin(data_dir: Path) -> Path | None:
    """Create the account of the demonstration; return the file with its password, or None.

    Its password is random and stays in that file, readable by its owner alone. Where somebody can
    administer already, or the name is taken, there is nothing to do.
    """
    users = get_user_model()._default_manager
    if users.filter(Q(is_superuser=True) | Q(username=ADMIN)).exists():
        return None
    path = data_dir / "admin_password"
    # The file first: an account whose password nobody knows would be of no use.
    users.create_superuser(ADMIN, password=_kept_password(path))
    return path


def _kept_password(path: Path) -> str:
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(12))
    return path.read_text()
