"""Questions to databases that end, however their server hangs."""

import threading
from threading import Event

import psycopg2
import pytest
from psycopg2 import sql

from marketplace.databases.probe import (
    CachedProbe,
    ProbeTimeoutError,
    Query,
    connect_probe,
    query_each,
)

pytestmark = pytest.mark.django_db(databases=["classifieds"], transaction=True)

SLEEP = Query(sql.SQL("SELECT pg_sleep(60)"))
ONE = Query(sql.SQL("SELECT %(one)s::integer"), {"one": 1})
ABSENT = Query(sql.SQL("SELECT * FROM no_such_table"))


class TestConversation:
    def test_answers(self):
        with connect_probe("classifieds", 5) as conversation:
            assert conversation.query(ONE) == [(1,)]

    def test_gives_up_connecting_to_a_server_that_is_silent(self, move, mute_port):
        move("classifieds", mute_port)

        with pytest.raises(ProbeTimeoutError):
            connect_probe("classifieds", 0.2)

    def test_gives_up_a_question(self):
        with connect_probe("classifieds", 0.5) as conversation, pytest.raises(ProbeTimeoutError):
            conversation.query(SLEEP)

    def test_has_the_server_end_what_nobody_waits_for(self):
        setting = Query(sql.SQL("SHOW statement_timeout"))

        with connect_probe("classifieds", 5) as conversation:
            assert conversation.query(setting) == [("3s",)]

    def test_goes_on_after_a_question_that_fails(self):
        questions = [("absent", ABSENT), ("one", ONE)]

        with connect_probe("classifieds", 5) as conversation:
            assert query_each(conversation, questions) == {"one": [(1,)]}

    def test_says_why_it_cannot_connect(self, move):
        move("classifieds", 1)

        with pytest.raises(psycopg2.OperationalError, match="refused"):
            connect_probe("classifieds", 5)


class Slow:
    """A function that answers when it may, and counts how often it was called."""

    def __init__(self):
        self.may_answer = Event()
        self.calls = []

    def __call__(self, alias):
        self.calls.append(alias)
        self.may_answer.wait(30)
        return f"{alias} {len(self.calls)}"


class TestInquiry:
    def test_leaves_out_what_does_not_answer_in_time(self):
        slow = Slow()
        inquiry = CachedProbe(lambda alias: slow(alias) if alias == "slow" else alias, keep=0)

        answers = inquiry.results(["slow", "quick"], seconds=0.2)
        slow.may_answer.set()

        assert answers == {"quick": "quick"}

    def test_asks_once_however_many_wait(self):
        slow = Slow()
        inquiry = CachedProbe(slow, keep=60)
        before = threading.active_count()

        for _ in range(20):
            inquiry.results(["slow"], seconds=0)
        while_waiting = threading.active_count()
        slow.may_answer.set()
        answers = inquiry.results(["slow"], seconds=30)

        assert while_waiting <= before + 1
        assert (answers, slow.calls) == ({"slow": "slow 1"}, ["slow"])

    def test_remembers_an_answer(self):
        calls = []
        inquiry = CachedProbe(calls.append, keep=60)

        inquiry.results(["one"], seconds=30)
        inquiry.results(["one"], seconds=30)
        inquiry.forget()
        inquiry.results(["one"], seconds=30)

        assert calls == ["one", "one"]

    def test_asks_again_when_the_answer_is_old(self):
        calls = []
        inquiry = CachedProbe(calls.append, keep=-1)

        inquiry.results(["one"], seconds=30)
        inquiry.results(["one"], seconds=30)

        assert calls == ["one", "one"]
