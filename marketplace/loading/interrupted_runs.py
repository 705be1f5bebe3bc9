"""Runs that were interrupted: how they are recognized, found for resuming, and given up."""

from datetime import datetime

from django.utils import timezone

from marketplace.loading import run_lock
from marketplace.loading.models import PROCESS_ENDED, LoadRun, loading_models


def find_interrupted(alias: str, platform: str) -> list[LoadRun]:
    """Return the runs of a platform that were interrupted and can be resumed, oldest first.

    Runs that failed because a source is unreadable are not included: resuming would not help.
    """
    rows = loading_models(alias).runs.of(platform).interrupted()
    return [row for row in rows.order_by("pk") if not _is_alive(alias, row)]


def end_dead_runs(alias: str, platform: str, current_id: int, now: datetime) -> None:
    """Mark the runs of a platform as failed whose process has ended.

    A run is dead if its lock is free, because a living process holds it. Without locks, no run is
    known to be dead.

    :param current_id: the id of the run of this process, which is not examined
    """
    if not run_lock.has_locks(alias):
        return
    runs = loading_models(alias).runs
    running = runs.of(platform).running().exclude(pk=current_id)
    for run_id in running.values_list("pk", flat=True):
        if run_lock.try_lock(alias, run_id):
            runs.filter(pk=run_id).update(status=LoadRun.Status.FAILED, finished_at=now)
            # If a gate held the run, its error already has a more useful reason.
            runs.filter(pk=run_id, error="").update(error=PROCESS_ENDED)
            run_lock.unlock(alias, run_id)


def give_up(alias: str, row: LoadRun, reason: str) -> None:
    """Store why an interrupted run cannot be resumed, so that it is not tried again.

    Records that a gate holds can still be released.

    :param row: the row as it was read; nothing happens if another process has changed it since
    """
    if _is_alive(alias, row):
        return
    models = loading_models(alias)
    is_holding = models.chunks.of_run(row.pk).held().exists()
    reasons = filter(None, [row.error if row.error != PROCESS_ENDED else "", reason])
    models.runs.filter(pk=row.pk, status=row.status, finished_at=row.finished_at).update(
        status=LoadRun.Status.HELD if is_holding else LoadRun.Status.FAILED,
        error="\n".join(reasons) if is_holding else reason,
        finished_at=timezone.now(),
    )


def _is_alive(alias: str, row: LoadRun) -> bool:
    """Return whether another process is loading a run now."""
    if row.status != LoadRun.Status.RUNNING or not run_lock.has_locks(alias):
        return False
    is_free = run_lock.try_lock(alias, row.pk)
    if is_free:
        run_lock.unlock(alias, row.pk)
    return not is_free
