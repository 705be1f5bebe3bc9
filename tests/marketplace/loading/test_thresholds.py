"""The thresholds of the gates: where they come from, and what is refused."""

import json
import re
from dataclasses import asdict

import pytest
from django.conf import settings as configured

from marketplace.checks import check_gates
from marketplace.exceptions import MarketplaceError
from marketplace.loading.thresholds import Thresholds, find_faults, get_thresholds

KNOWN = ", ".join(asdict(Thresholds()))


class TestThresholds:
    def test_defaults(self, settings):
        settings.INGEST_GATES = {}

        assert get_thresholds("uzum") == Thresholds()

    def test_a_platform_wins_over_all_and_all_over_the_defaults(self, settings):
        settings.INGEST_GATES = {
            "default": {"moved": 0.6, "volume": 0.5},
            "olx": {"moved": 0.9, "essential": ["title"]},
        }

        assert get_thresholds("uzum") == Thresholds(moved=0.6, volume=0.5)
        assert get_thresholds("olx") == Thresholds(moved=0.9, volume=0.5, essential=("title",))

    def test_those_that_are_wrong_are_refused(self, settings):
        settings.INGEST_GATES = {"uzum": {"prices": 1}}

        with pytest.raises(MarketplaceError, match=r"^INGEST_GATES is wrong: uzum\.prices is not"):
            get_thresholds("olx")


class TestFaults:
    @pytest.mark.parametrize(
        ("config", "fault"),
        [
            ([], "it is not a JSON object with the keys default, uzum, yandex,"),
            ({"amazon": {}}, '"amazon" is not a platform; use one of default, uzum,'),
            ({"uzum": 1}, "uzum is not a JSON object of thresholds"),
            ({"uzum": {"row": 1}}, f"uzum.row is not a threshold; use one of {KNOWN}"),
            ({"uzum": {"rows": 0}}, "uzum.rows cannot be 0; it must be a whole number, at least 1"),
            (
                {"uzum": {"rows": 1.5}},
                "uzum.rows cannot be 1.5; it must be a whole number, at least 1",
            ),
            ({"uzum": {"rows": True}}, "uzum.rows cannot be true; it must be a whole number"),
            ({"olx": {"moved": 50}}, "olx.moved cannot be 50; it must be a share between 0 and 1"),
            (
                {"olx": {"moved": "0.5"}},
                'olx.moved cannot be "0.5"; it must be a share between 0 and 1',
            ),
            (
                {"olx": {"moved": True}},
                "olx.moved cannot be true; it must be a share between 0 and 1",
            ),
            ({"olx": {"factor": 1}}, "olx.factor cannot be 1; it must be a number above 1"),
            ({"olx": {"is_enabled": 0}}, "olx.is_enabled cannot be 0; it must be true or false"),
            (
                {"olx": {"essential": "title"}},
                'olx.essential cannot be "title"; it must be a list of',
            ),
        ],
    )
    def test_are_named_with_what_would_be_right(self, config, fault):
        (found,) = find_faults(config)

        assert found.startswith(fault)

    def test_sound_ones_have_none(self):
        chosen = {**asdict(Thresholds()), "essential": ["title"], "factor": 3, "moved": 1}

        assert list(find_faults({"default": chosen, "uzum": {}})) == []


class TestCheck:
    def test_names_each_fault(self, settings):
        settings.INGEST_GATES = {"uzum": {"row": 1, "rows": 0}}

        messages = check_gates(None)

        assert [message.id for message in messages] == ["marketplace.E008"] * 2
        assert messages[0].msg.startswith("INGEST_GATES is wrong: uzum.row is not a threshold;")

    def test_has_nothing_to_say_of_the_defaults(self):
        assert check_gates(None) == []

    def test_a_variable_that_is_no_json_is_named(self, machine):
        outcome = machine("check", INGEST_GATES="{'olx': {}}")

        assert outcome.returncode != 0
        assert outcome.stderr.startswith("Error: INGEST_GATES is not JSON: Expecting property")
        assert outcome.stderr.endswith("It is {'olx': {}}; .env.example shows how to write it.\n")

    def test_a_variable_is_read(self, machine):
        outcome = machine("check", INGEST_GATES='{"olx": {"moved": 7}}')

        assert outcome.returncode != 0
        assert "(marketplace.E008) INGEST_GATES is wrong: olx.moved cannot be 7" in outcome.stderr


class TestExample:
    def test_shows_the_defaults(self):
        text = (configured.BASE_DIR / ".env.example").read_text()
        section = text.partition("thresholds and their")[2].partition("#INGEST_GATES=")[0]
        shown = re.findall(r"^# {3}(\w+) +(\[.*?\]|\S+)", section, re.MULTILINE)

        defaults = {**asdict(Thresholds()), "essential": list(Thresholds().essential)}
        assert {name: json.loads(value) for name, value in shown} == defaults
