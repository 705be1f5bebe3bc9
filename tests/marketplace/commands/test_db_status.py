import json
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from marketplace.databases.creation import create_database
from marketplace.databases.revisions import all_migrations
from marketplace.registry import get_database
from tests import factories
from tests.commands import run

pytestmark = [
    pytest.mark.django_db(databases="__all__", transaction=True),
    pytest.mark.usefixtures("_only_olx"),
]

CLASSIFIEDS = """\
CLASSIFIEDS - C2C classifieds platforms
   Database: {name}
   Platforms: {platforms}
   Status: connected
   Current Revision: head
   Size: * MB
   Rows: categories 0, sellers 0, listings 0, listing_events 0, load_runs 2, load_sources 0, \
load_chunks 0, payloads 0, payload_dictionaries 0, payload_observations 0, exchange_rates 0, \
rollups 0
   Last load: olx 3 minutes ago (failed; 1,000 read, 12 created, 0 rejected). \
Reason: python manage.py ingest_review show run olx-{run}
   Freshness:
      olx: last observed 5 days ago, last loaded 2 hours ago, last new data 3 minutes ago
   Quarantine: 0
   Last backup: none recorded
"""

DEFAULT = """\
DEFAULT - accounts and sessions of the admin
   Database: {name}
   Status: connected
   Current Revision: head
   Size: * MB
   Last backup: none recorded
"""


class TestDbStatus:
    def test_the_time_at_which_a_price_was_stored(self):
        factories.load_run("classifieds", price_point_count=1, finished_at=timezone.now())

        assert ", last price stored just now\n" in run("db_status", "--database=classifieds").out

    def test_status_of_a_database(self, settings):
        now = timezone.now()
        factories.load_run(
            "classifieds",
            finished_at=now - timedelta(hours=2, minutes=1),
            newest_observed_at=now - timedelta(days=5, minutes=1),
        )
        run_id = factories.load_run(
            "classifieds",
            status="failed",
            read_count=1000,
            created_count=12,
            finished_at=now - timedelta(minutes=3, seconds=5),
        ).pk

        outcome = run("db_status", "--database", "classifieds")

        out = re.sub(r"Size: [\d.,]+ MB", "Size: * MB", outcome.out)
        platforms = ", ".join(get_database("classifieds").platforms)
        name = settings.DATABASES["classifieds"]["NAME"]
        assert out == CLASSIFIEDS.format(name=name, platforms=platforms, run=run_id)
        assert (outcome.err, outcome.code) == ("", 0)

    def test_queued_runs(self):
        for status in ("queued", "failed", "completed"):
            options = {"push": {"attempts": 1}}
            pushed = factories.load_run("classifieds", status=status, options=options)
            pushed.chunks.create(sequence=1, body=b"")
        factories.load_run("classifieds", status="queued")

        outcome = run("db_status", "--database", "classifieds")

        assert "   Queue: 2 runs to load: python manage.py ingest_queue\n" in outcome.out

    def test_held_runs(self):
        for status in ("held", "held", "discarded"):
            factories.load_run("classifieds", status=status)

        outcome = run("db_status", "--database", "classifieds")

        assert "   Held: 2 runs: python manage.py ingest_review list\n" in outcome.out

    def test_blank_line_between_databases(self):
        outcome = run("db_status")

        titles = [block.splitlines()[0] for block in outcome.out.split("\n\n")]
        assert titles == [
            "ECOMMERCE - B2C e-commerce platforms",
            "CLASSIFIEDS - C2C classifieds platforms",
            "PROCUREMENT - B2B government procurement",
            "DEFAULT - accounts and sessions of the admin",
        ]

    def test_status_of_the_accounts(self, settings):
        outcome = run("db_status", "--database", "default")

        out = re.sub(r"Size: [\d.,]+ MB", "Size: * MB", outcome.out)
        assert out == DEFAULT.format(name=settings.DATABASES["default"]["NAME"])
        assert (outcome.err, outcome.code) == ("", 0)

    def test_unreachable_accounts(self, set_port):
        set_port("default", 1)

        outcome = run("db_status")
        statuses = json.loads(run("db_status", "--format", "json").out)

        assert outcome.out.count("   Status: connected\n") == 3
        assert outcome.err == "CommandError: 1 of 4 databases failed: default\n"
        assert outcome.code == 1
        assert statuses[-1]["alias"] == "default"
        assert "Connection refused" in statuses[-1]["error"]

    def test_unreachable_server(self, set_port, settings):
        set_port("ecommerce", 1)

        outcome = run("db_status")

        lines = outcome.out.splitlines()
        assert lines[:3] == [
            "ECOMMERCE - B2C e-commerce platforms",
            f"   Database: {settings.DATABASES['ecommerce']['NAME']}",
            f"   Platforms: {', '.join(get_database('ecommerce').platforms)}",
        ]
        assert lines[3].startswith("   Status: unreachable: server 127.0.0.1:1: ")
        assert lines[3].endswith("or the database's URL.")
        assert outcome.out.count("   Status: connected\n") == 3
        assert outcome.err == "CommandError: 1 of 4 databases failed: ecommerce\n"
        assert outcome.code == 1

    def test_pending_migrations(self, scratch):
        scratch("procurement")
        create_database("procurement")

        outcome = run("db_status", "--database", "procurement")

        count = len(all_migrations("procurement"))
        assert f"   Current Revision: none, {count} pending" in outcome.out
        assert outcome.err == "CommandError: 1 of 1 database failed: procurement\n"
        assert outcome.code == 1

    def test_json(self, set_port):
        factories.load_run("classifieds")
        set_port("procurement", 1)

        outcome = run("db_status", "--format", "json")

        ecommerce, classifieds, procurement, default = json.loads(outcome.out)
        assert ecommerce["revision"] == "head"
        assert isinstance(ecommerce["size_bytes"], int)
        assert classifieds["runs"][0]["finished_at"] == "2026-11-20T09:05:00Z"
        assert classifieds["freshness"][0]["loaded_at"] == "2026-11-20T09:05:00Z"
        assert classifieds["freshness"][0]["observed_at"] is None
        assert procurement["is_connected"] is False
        assert "Connection refused" in procurement["error"]
        assert (default["is_connected"], default["revision"], default["rows"]) == (True, "head", {})
        assert default["size_bytes"] > 1_000_000
        assert outcome.code == 1
