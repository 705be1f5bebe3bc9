"""The health of each database."""

import asyncio
import time
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone
from psycopg2 import sql

from marketplace.databases import health
from marketplace.databases.creation import create_database
from marketplace.databases.health import (
    check_all_databases_health,
    find_failure,
    get_health,
    record_failure,
)
from marketplace.databases.names import ALL_ALIASES
from marketplace.databases.revisions import all_migrations
from marketplace.postgresql.errors import summarize
from tests import factories

pytestmark = [
    pytest.mark.django_db(databases="__all__", transaction=True),
    pytest.mark.usefixtures("_only_olx"),
]


def ask(alias):
    [answer] = get_health([alias])
    return answer


def codes(found):
    return [reason.code for reason in found.reasons]


@pytest.fixture
def set_in_database():
    """Set a parameter for all sessions of a database."""
    changed = []

    def change(alias, parameter, value):
        name = sql.Identifier(connections[alias].settings_dict["NAME"])
        text = sql.SQL("ALTER DATABASE {} SET {} = {}")
        with connections[alias].cursor() as cursor:
            cursor.execute(text.format(name, sql.Identifier(parameter), sql.Literal(value)))
        changed.append((alias, name))

    yield change
    for alias, name in changed:
        with connections[alias].cursor() as cursor:
            cursor.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(name))


class TestGetHealth:
    def test_is_ready(self):
        answers = get_health()

        assert [(database.alias, database.is_ready) for database in answers] == [
            (a, True) for a in ALL_ALIASES
        ]
        assert {database.revision.pending for database in answers} == {()}

    def test_silent_server(self, set_port, mute_port):
        set_port("classifieds", mute_port)

        answer = ask("classifieds")

        assert codes(answer) == ["silent"]
        assert not answer.is_up

    def test_stopped_server(self, set_port):
        set_port("classifieds", 1)

        assert codes(ask("classifieds")) == ["unreachable"]

    def test_read_only_database(self, set_in_database):
        set_in_database("classifieds", "default_transaction_read_only", "on")

        answer = ask("classifieds")

        assert codes(answer) == ["read-only"]
        assert answer.is_up

    def test_missing_database(self, scratch):
        scratch("classifieds")
        connections["classifieds"].close()

        assert codes(ask("classifieds")) == ["missing"]

    def test_pending_migrations(self, scratch):
        scratch("classifieds")
        create_database("classifieds")
        connections["classifieds"].close()

        answer = ask("classifieds")

        assert codes(answer) == ["not migrated"]
        assert answer.revision.pending == all_migrations("classifieds")
        assert "from 0001" in answer.reasons[0].text

    def test_reasons_contain_no_host_or_role(self, set_port):
        set_port("classifieds", 1)

        [reason] = ask("classifieds").reasons

        assert "127.0.0.1" not in reason.text
        assert "nobody" not in reason.text

    def test_warning_about_old_data(self):
        now = timezone.now()
        factories.load_run("classifieds", finished_at=now - timedelta(hours=27))
        factories.load_run("classifieds", status="failed", finished_at=now)

        answer = ask("classifieds")

        texts = [(warning.code, warning.text) for warning in answer.warnings(now)]
        assert texts == [("stale", "olx completed its last load 27 hours ago")]
        assert answer.is_ready

    def test_warning_about_platforms_without_a_load(self):
        warnings = ask("procurement").warnings(timezone.now())

        assert "uzex has no completed load" in [warning.text for warning in warnings]

    def test_no_warning_about_fresh_data(self):
        now = timezone.now()
        factories.load_run("classifieds", finished_at=now - timedelta(hours=25))

        assert ask("classifieds").warnings(now) == []


class TestFindFailure:
    def test_no_probe_before_a_failure(self, set_port):
        set_port("classifieds", 1)

        assert find_failure("classifieds") is None
        assert health._probe._calls == {}

    def test_failure_is_known_after_a_page_has_failed(self, set_port):
        set_port("classifieds", 1)
        record_failure("classifieds")

        get_health(["classifieds"])

        assert find_failure("classifieds").code == "unreachable"

    def test_failure_ends_with_the_first_answer(self):
        record_failure("classifieds")

        get_health(["classifieds"])

        assert find_failure("classifieds") is None
        assert health._suspects == set()


class TestReasons:
    @pytest.mark.parametrize(
        ("message", "code"),
        [
            ("FATAL:  sorry, too many clients already", "out of connections"),
            ("FATAL:  remaining connection slots are reserved", "out of connections"),
            ("FATAL:  the database system is starting up", "starting or stopping"),
            ("FATAL:  password authentication failed for user", "login refused"),
            ("FATAL:  query_wait_timeout", "silent"),
            ("FATAL:  server login has been failing, try again later", "unreachable"),
            ("could not translate host name", "unknown host"),
            ("something else at db1.example", "failed"),
        ],
    )
    def test_remark_depends_on_the_error_message(self, message, code):
        remark = summarize(Exception(message))

        assert remark.code == code
        assert "example" not in remark.text


class TestCheckAllDatabasesHealth:
    def test_is_true_for_all(self):
        answers = asyncio.run(check_all_databases_health())

        assert answers == {"ecommerce": True, "classifieds": True, "procurement": True}

    def test_does_not_wait_for_a_hanging_server(self, set_port, mute_port):
        set_port("classifieds", mute_port)
        start = time.monotonic()

        answers = asyncio.run(check_all_databases_health())

        assert answers == {"ecommerce": True, "classifieds": False, "procurement": True}
        assert time.monotonic() - start < 5
