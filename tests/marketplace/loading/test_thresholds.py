"""Thresholds of the gates: where they come from, and which settings are refused."""

import json
import re
from dataclasses import asdict

import pytest
from django.conf import settings as configured

from marketplace.checks.project import check_gates
from marketplace.exceptions import MarketplaceError
from marketplace.loading.gates.gate import Thresholds, find_errors, get_thresholds

KNOWN = ", ".join(asdict(Thresholds()))


class TestThresholds:
    def test_defaults(self, settings):
        settings.INGEST_GATES = {}

        assert get_thresholds("uzum") == Thresholds()

    def test_a_platform_overrides_the_section_of_all_platforms(self, settings):
        settings.INGEST_GATES = {
            "default": {"moved": 0.6, "volume": 0.5},
            "olx": {"moved": 0.9, "essential": ["title"]},
        }

        assert get_thresholds("uzum") == Thresholds(moved=0.6, volume=0.5)
        assert get_thresholds("olx") == Thresholds(moved=0.9, volume=0.5, essential=("title",))

    def test_unknown_thresholds_are_refused(self, settings):
        settings.INGEST_GATES = {"uzum": {"prices": 1}}

        with pytest.raises(
            MarketplaceError, match=r"^INGEST_GATES is not valid: uzum\.prices is not"
        ):
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
    def test_an_error_is_reported_with_the_valid_choices(self, config, fault):
        (message,) = find_errors(config)

        assert message.startswith(fault)

    def test_valid_settings_have_no_errors(self):
        chosen = {**asdict(Thresholds()), "essential": ["title"], "factor": 3, "moved": 1}

        assert list(find_errors({"default": chosen, "uzum": {}})) == []


class TestCheck:
    def test_reports_each_error(self, settings):
        settings.INGEST_GATES = {"uzum": {"row": 1, "rows": 0}}

        messages = check_gates(None)

        assert [message.id for message in messages] == ["marketplace.E008"] * 2
        assert messages[0].msg.startswith("INGEST_GATES is not valid: uzum.row is not a threshold;")

    def test_reports_nothing_for_the_defaults(self):
        assert check_gates(None) == []

    def test_a_variable_that_is_not_json_is_reported(self, machine):
        outcome = machine("check", INGEST_GATES="{'olx': {}}")

        assert outcome.returncode != 0
        start = "Error: INGEST_GATES is not valid JSON: Expecting property"
        assert outcome.stderr.startswith(start)
        assert outcome.stderr.endswith("The value is {'olx': {}}; see .env.example.\n")

    def test_the_variable_is_checked(self, machine):
        outcome = machine("check", INGEST_GATES='{"olx": {"moved": 7}}')

        assert outcome.returncode != 0
        message = "(marketplace.E008) INGEST_GATES is not valid: olx.moved cannot be 7"
        assert message in outcome.stderr


class TestExample:
    def test_shows_the_defaults(self):
        text = (configured.BASE_DIR / ".env.example").read_text()
        section = text.partition("their defaults:")[2].partition("#INGEST_GATES=")[0]
        shown = re.findall(r"^# {3}(\w+) +(\[.*?\]|\S+)", section, re.MULTILINE)

        defaults = {**asdict(Thresholds()), "essential": list(Thresholds().essential)}
        assert {name: json.loads(value) for name, value in shown} == defaults
