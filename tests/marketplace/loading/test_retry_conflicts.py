"""A transaction that collides with other loaders is repeated as long as INGEST_PATIENCE allows."""

import pytest

from marketplace.loading import retry
from marketplace.loading.retry import ConflictError, retry_on_conflict


class Clock:
    """A clock that only pauses move forward."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(retry, "time", clock)
    return clock


class Collisions:
    """A transaction that fails until a time."""

    def __init__(self, clock, seconds):
        self.clock, self.end, self.attempts = clock, clock.now + seconds, 0

    def __call__(self):
        self.attempts += 1
        if self.clock.now < self.end:
            raise ConflictError("another loader was faster")
        return "committed"


def test_a_transaction_is_repeated_until_it_succeeds(clock, settings):
    settings.INGEST_PATIENCE = 300
    retries = []

    assert retry_on_conflict(Collisions(clock, 200), lambda: retries.append(1)) == "committed"
    assert len(retries) > 8


def test_a_transaction_that_always_collides_fails_after_that_time(clock, settings):
    settings.INGEST_PATIENCE = 60
    start, work = clock.now, Collisions(clock, 1e9)

    with pytest.raises(ConflictError):
        retry_on_conflict(work, lambda: None)

    assert 60 <= clock.now - start <= 66


def test_several_attempts_are_made_without_patience(clock, settings):
    settings.INGEST_PATIENCE = 0
    work = Collisions(clock, 1e9)

    with pytest.raises(ConflictError):
        retry_on_conflict(work, lambda: None)

    assert work.attempts == 8
