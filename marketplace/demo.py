"""Demonstration data: 120 days of invented payloads in the platforms' formats, and their loading.

The `demo` package of each app invents the documents of its platforms. They are loaded like real
ones. All values are derived from a fixed seed and from keys, so the same scale produces the same
bytes on every machine, and a second run makes no changes. The period ends on the day before the
data was first loaded, or on settings.DEMO_END.
"""

import os
import secrets
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from importlib import import_module
from itertools import groupby
from pathlib import Path
from random import Random
from typing import NamedTuple

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Q
from django.utils import timezone

from marketplace import rates
from marketplace.humanize import counted
from marketplace.loading import ingest
from marketplace.loading.adapters import Payload
from marketplace.loading.models import loading_models
from marketplace.loading.values import TASHKENT
from marketplace.registry import ALIASES, get_platform

#: The file in DATA_DIR with the last day of the period, so that later runs make no changes.
_LAST_DAY = "demo_last_day"


def _last_day() -> date:
    """Return the stated last day of the period, that of the first load, or yesterday."""
    if settings.DEMO_END:
        return settings.DEMO_END
    path = settings.DATA_DIR / _LAST_DAY
    if path.exists():
        return date.fromisoformat(path.read_text().strip())
    return timezone.localdate() - timedelta(days=1)


#: The end of the demonstration's period.
END = datetime.combine(_last_day(), time(20), TASHKENT)
DAYS = 120
START = END - timedelta(days=DAYS)

#: UZS for one unit of a currency, so that the prices of a product are similar on all platforms.
RATES = {"UZS": 1, "RUB": 150, "KZT": 23, "USD": 12_000}

ADMIN = "admin"

_SEED = "marketplace"


class Feed(NamedTuple):
    """The documents that a platform returns in one visit.

    :param name: unique name, used as the name of the source
    :param documents: generated lazily, as a reader passes them to the adapter
    """

    platform: str
    name: str
    observed_at: datetime
    documents: Iterable[Payload]


class Total(NamedTuple):
    """The sums over the loaded feeds of a platform; zero if all had been loaded before."""

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
    """Return a random generator for a key. It is the same in every process."""
    # Not hash(), which differs between processes. Random hashes a text with SHA-512.
    return Random(":".join(map(str, (_SEED, *key))))


def time_of(day: float) -> datetime:
    """Return the time of a demonstration day: 0 is its start, DAYS its end."""
    return START + timedelta(days=day)


def feeds(scale: int) -> Iterator[Feed]:
    """Yield the feeds of all platforms, grouped by platform, in chronological order."""
    for alias in ALIASES:
        yield from import_module(f"{alias}.demo").feeds(scale)


def load(scale: int, *, again: bool = False) -> Iterator[Total]:
    """Load the demonstration data; yield the sums of each platform when it is loaded.

    Loading it again, or with a larger scale, adds only missing data.

    :param again: whether to read also feeds that have a completed load
    """
    settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
    (settings.DATA_DIR / _LAST_DAY).write_text(f"{END:%Y-%m-%d}\n")
    for platform, visits in groupby(feeds(scale), key=lambda feed: feed.platform):
        loaded = frozenset() if again else _loaded_sources(platform)
        total = Total(platform)
        for feed in visits:
            source = f"{feed.name} (scale {scale})"
            if source not in loaded:
                total = _add(total, _load_feed(feed, source))
        yield total


def _loaded_sources(platform: str) -> frozenset[str]:
    runs = loading_models(get_platform(platform).database).runs
    loaded = runs.of(platform).completed().filter(source__startswith="demo-")
    return frozenset(loaded.values_list("source", flat=True))


def _load_feed(feed: Feed, source: str) -> ingest.Summary:
    return ingest.load_documents(
        feed.platform, feed.documents, name=source, observed_at=feed.observed_at
    )


def _add(total: Total, summary: ingest.Summary) -> Total:
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
    """Load invented exchange rates for every 30th day, consistent with the prices of the feeds.

    Currencies that have rates are skipped, so that invented rates are not mixed with official ones.
    """
    stored = apps.get_model(alias, "ExchangeRate")._default_manager
    existing = {"UZS", *stored.values_list("currency", flat=True).distinct()}
    # From 30 days before the start, because ads and lots are older than their first observation.
    days = [time_of(day).date() for day in range(-30, DAYS + 1, 30)]
    return rates.load_rates(
        alias,
        [
            rates.Rate(currency, day, Decimal(rate))
            for currency, rate in RATES.items()
            if currency not in existing
            for day in days
        ],
    )


def create_admin(data_dir: Path) -> Path | None:
    """Create the admin account of the demonstration; return the file with its password.

    The password is random and stored in a file that only its owner can read. Returns None if a
    superuser or the name exists already.
    """
    users = get_user_model()._default_manager
    if users.filter(Q(is_superuser=True) | Q(username=ADMIN)).exists():
        return None
    path = data_dir / "admin_password"
    # The file is written first, because an account with an unknown password is useless.
    users.create_superuser(ADMIN, password=_stored_password(path))
    return path


def _stored_password(path: Path) -> str:
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(12))
    return path.read_text()
