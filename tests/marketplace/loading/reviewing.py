"""Release and discard rows, for tests."""

from marketplace.loading.review.entries import Selection
from marketplace.loading.review.records import Records, Runs
from marketplace.registry import get_platform


def discard(platform, run_id):
    """Discard a run."""
    alias = get_platform(platform).database
    return Runs(alias).discard(Selection("run", alias, platform, (run_id,)))


def release_records(platform):
    """Release all quarantined records of a platform."""
    alias = get_platform(platform).database
    return Records(alias).release(Selection("record", alias, platform))
