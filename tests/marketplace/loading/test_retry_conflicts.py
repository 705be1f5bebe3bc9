"""A transaction that collides with other loaders is repeated as long as INGEST_PATIENCE allows."""

import pytest

from marketplace.loading.retry import ConflictError, retry

pytestmark = pytest.mark.django_db(databases=["ecommerce"], transaction=True)


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
    monkeypatch.setattr("marketplace.loading.retry.time", clock)
    return clock


class Loader:
    """A loader whose transaction fails until a time."""

    alias = "ecommerce"

    def __init__(self, clock, seconds):
        self.clock, self.end = clock, clock.now + seconds
        self.attempts = self.retries = 0

    def count_retry(self):
        self.retries += 1

    @retry
    def commit(self):
        self.attempts += 1
        if self.clock.now < self.end:
            raise ConflictError("another loader was faster")
        return "committed"


def test_a_transaction_is_repeated_until_it_succeeds(clock, settings):
    settings.INGEST_PATIENCE = 300
    loader = Loader(clock, 200)

    assert loader.commit() == "committed"
    assert loader.retries == loader.attempts - 1 > 8


def test_a_transaction_that_always_collides_fails_after_that_time(clock, settings):
    settings.INGEST_PATIENCE = 60
    start = clock.now

    with pytest.raises(ConflictError):
        Loader(clock, 1e9).commit()

    assert 60 <= clock.now - start <= 66


def test_several_attempts_are_made_without_patience(clock, settings):
    settings.INGEST_PATIENCE = 0
    loader = Loader(clock, 1e9)

    with pytest.raises(ConflictError):
        loader.commit()

    assert loader.attempts == 8
