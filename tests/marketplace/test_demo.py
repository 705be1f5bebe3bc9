"""The demonstration data: generation, loading, and the command."""

import hashlib
import os
import re
import stat
import subprocess
import sys
from collections import defaultdict
from datetime import date, timedelta
from itertools import islice, pairwise

import orjson
import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.utils import timezone

from classifieds.models import ExchangeRate, Listing
from classifieds.records import Listing as ListingRecord
from ecommerce.models import PricePoint, Product
from marketplace import demo
from marketplace.management.commands import demo as command
from marketplace.registry import PLATFORMS
from procurement.models import Lot, LotItem
from tests import factories
from tests.commands import run
from tests.demo_records import records_of

pytestmark = pytest.mark.django_db(databases=["default", "ecommerce", "classifieds", "procurement"])

_PRINT_DIGEST = """\
import django
django.setup()
from tests.marketplace.test_demo import digest
print(digest(1))
"""


def digest(scale):
    """Return a hash of the first payloads of all feeds, with the names and times of the feeds."""
    hashed = hashlib.blake2b()
    for feed in demo.feeds(scale):
        hashed.update(f"{feed.platform} {feed.name} {feed.observed_at.isoformat()}".encode())
        for document in islice(feed.documents, 40):
            hashed.update(orjson.dumps(document))
    return hashed.hexdigest()


ALL_FEEDS = demo.feeds


def first_feeds(scale):
    """Yield only the first documents of the first feed of each platform."""
    known = set()
    for feed in ALL_FEEDS(scale):
        if feed.platform not in known:
            known.add(feed.platform)
            # A price list starts with 18 categories, which are not counted as records.
            amount = 20 if feed.platform == "yandex" else 3
            yield feed._replace(documents=islice(feed.documents, amount))


def first_of(platform):
    """Return a function from a scale to the first feed of a platform."""
    return lambda scale: next(feed for feed in ALL_FEEDS(scale) if feed.platform == platform)


@pytest.fixture
def small(monkeypatch):
    """Load only a few documents, without initializing databases."""
    monkeypatch.setattr(demo, "feeds", first_feeds)
    monkeypatch.setattr(
        command, "call_command", lambda name, stdout, stderr: stdout.write(f"({name})")
    )


@pytest.fixture
def own_server(monkeypatch):
    """Place the database `default` on another server than the embedded one."""
    monkeypatch.setitem(django_settings.DATABASES["default"], "HOST", "db.example")


@pytest.fixture
def data_dir(settings, tmp_path):
    settings.DATA_DIR = tmp_path
    return tmp_path


class TestFeeds:
    def test_feeds_are_the_same_in_every_process(self):
        environment = os.environ | {"PYTHONHASHSEED": "1"}
        command = [sys.executable, "-c", _PRINT_DIGEST]

        other = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()

        assert other == digest(1)

    def test_feeds_are_grouped_by_platform(self):
        platforms = [feed.platform for feed in demo.feeds(1)]

        order = list(dict.fromkeys(platforms))
        assert order == [platform.name for platform in PLATFORMS if platform.name in order]
        assert len(order) >= 6
        assert sum(a != b for a, b in pairwise(platforms)) == len(order) - 1

    def test_names_are_unique_and_times_ascend(self):
        times, names = defaultdict(list), []
        for feed in demo.feeds(1):
            times[feed.platform].append(feed.observed_at)
            names.append(feed.name)

        assert len(set(names)) == len(names)
        for moments in times.values():
            assert moments == sorted(set(moments))
            assert (moments[0], moments[-1]) == (demo.START, demo.END)

    @pytest.mark.parametrize("platform", ["olx", "uzex"])
    def test_larger_scale_has_the_smaller_one_in_it(self, platform):
        small, large = (
            {(type(record), record.external_id): record for record in records_of(feed)}
            for feed in map(first_of(platform), (1, 2))
        )

        assert small.keys() < large.keys()
        listings = [key for key in small if key[0] is ListingRecord]
        assert [small[key] for key in listings] == [large[key] for key in listings]


class TestLoad:
    def test_loads_every_platform(self, small):
        totals = {total.platform: total for total in demo.load(1)}

        assert {name: total.created for name, total in totals.items()} == {
            "uzum": 3,
            "yandex": 2,
            "wildberries": 29,
            "ozon": 3,
            "olx": 469,
            "uzex": 75,
        }
        assert all(total.rejected == 0 for total in totals.values())
        assert Product.objects.count() == 8
        assert PricePoint.objects.count() == sum(total.price_points for total in totals.values())
        assert Listing.objects.count() == 100
        assert Lot.objects.count() == 50

    def test_the_period_ends_on_the_day_before_the_first_load(self, small, data_dir, settings):
        settings.DEMO_END = None
        assert demo._last_day() == timezone.localdate() - timedelta(days=1)

        list(demo.load(1))

        assert demo._last_day() == demo.END.date() == date(2026, 11, 20)

    def test_skips_loaded_feeds(self, small):
        list(demo.load(1))

        totals = list(demo.load(1))

        assert {(total.feeds, total.read) for total in totals} == {(0, 0)}

    def test_again_changes_nothing(self, small):
        first = {total.platform: total.read for total in demo.load(1)}

        second = list(demo.load(1, again=True))

        assert {total.platform: total.read for total in second} == first
        assert {total.created + total.updated + total.price_points for total in second} == {0}

    def test_larger_scale_is_loaded_after_a_smaller_one(self, small):
        list(demo.load(1))

        totals = list(demo.load(2))

        assert all(total.read for total in totals)


class TestLoadRates:
    def test_loads_each_currency_of_the_prices(self):
        summary = demo.load_rates("classifieds")

        stored = ExchangeRate.objects.filter(rate_date=demo.START.date())
        assert summary.new == ExchangeRate.objects.count() == 18
        assert {rate.currency: rate.rate for rate in stored} == {
            currency: rate for currency, rate in demo.RATES.items() if currency != "UZS"
        }

    def test_skips_currencies_with_official_rates(self):
        factories.rate("classifieds", currency="USD")

        demo.load_rates("classifieds")

        assert ExchangeRate.objects.filter(currency="USD").count() == 1
        assert ExchangeRate.objects.filter(currency="RUB").count() == 6


class TestCreateAdmin:
    def test_stores_the_password_in_a_private_file(self, tmp_path):
        path = demo.create_admin(tmp_path)

        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert len(path.read_text()) >= 16
        assert User.objects.get(is_superuser=True).check_password(path.read_text())

    def test_passwords_differ(self, tmp_path):
        (tmp_path / "one").mkdir()
        (tmp_path / "other").mkdir()
        password = demo.create_admin(tmp_path / "one").read_text()
        User.objects.all().delete()

        assert demo.create_admin(tmp_path / "other").read_text() != password

    def test_new_database_gets_the_stored_password(self, tmp_path):
        known = demo.create_admin(tmp_path).read_text()
        User.objects.all().delete()

        assert demo.create_admin(tmp_path).read_text() == known

    def test_does_nothing_if_there_is_a_superuser(self, tmp_path):
        User.objects.create_superuser("somebody")

        assert demo.create_admin(tmp_path) is None

        assert list(User.objects.values_list("username", flat=True)) == ["somebody"]
        assert list(tmp_path.iterdir()) == []

    def test_does_nothing_if_the_name_is_taken(self, tmp_path):
        User.objects.create_user("admin")

        assert demo.create_admin(tmp_path) is None

        assert not User.objects.get().is_superuser


class TestCommand:
    def test_initializes_loads_and_reports(self, small, data_dir):
        outcome = run("demo")

        assert re.sub(r"\d+\.\d s", "0.0 s", outcome.out) == FIRST_OUTPUT.format(data_dir)
        assert (outcome.err, outcome.code) == ("", 0)
        assert User.objects.filter(is_superuser=True, username="admin").exists()
        assert LotItem.objects.count() == 0

    def test_second_run_changes_nothing(self, small, data_dir):
        run("demo")

        outcome = run("demo")

        assert outcome.out == SECOND_OUTPUT
        assert (outcome.err, outcome.code) == ("", 0)
        assert User.objects.count() == 1

    def test_creates_no_account_on_another_server(self, small, data_dir, own_server):
        outcome = run("demo")

        assert "account" not in outcome.out
        assert User.objects.count() == 0

    def test_option_creates_an_account_on_another_server(self, small, data_dir, own_server):
        run("demo", "--with-admin")

        assert User.objects.get().username == "admin"

    @pytest.mark.parametrize("scale", ["0", "-1", "many", "1.5"])
    def test_refuses_an_invalid_scale(self, small, scale):
        outcome = run("demo", f"--scale={scale}")

        assert outcome.code == 1
        assert outcome.err == (
            f"CommandError: Error: argument --scale: '{scale}' is not a whole number above 0\n"
        )
        assert Product.objects.count() == 0


FIRST_OUTPUT = """\
(init_all)
uzum: 3 read, 3 created, 0 updated, 0 unchanged, 0 rejected, 18 price points, 0.0 s
yandex: 2 read, 2 created, 0 updated, 0 unchanged, 0 rejected, 2 price points, 0.0 s
wildberries: 29 read, 29 created, 0 updated, 0 unchanged, 0 rejected, 0 price points, 0.0 s
ozon: 3 read, 3 created, 0 updated, 0 unchanged, 0 rejected, 3 price points, 0.0 s
olx: 469 read, 469 created, 0 updated, 0 unchanged, 0 rejected, 0 price points, 0.0 s
uzex: 75 read, 75 created, 0 updated, 0 unchanged, 0 rejected, 0 price points, 0.0 s
ecommerce: 18 rates read, 18 new, 0 corrected, 0 unchanged
classifieds: 18 rates read, 18 new, 0 corrected, 0 unchanged
procurement: 18 rates read, 18 new, 0 corrected, 0 unchanged
Created the account admin; its password is in {}/admin_password
(db_status)
"""

SECOND_OUTPUT = """\
(init_all)
uzum: loaded already
yandex: loaded already
wildberries: loaded already
ozon: loaded already
olx: loaded already
uzex: loaded already
(db_status)
"""
