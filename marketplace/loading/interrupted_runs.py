"""Runs that were interrupted: how they are recognized, found for resuming, and given up."""

from datetime import datetime
from typing import Any

from django.apps import apps
from django.db.models import Q
from django.utils import timezone

from marketplace.loading import run_lock

_PROCESS_ENDED = (
    "The process ended before the run finished. Committed batches are kept. Resume the run: "
    "python manage.py ingest --resume"
)

#: The beginning of the error of a run that was interrupted by an exception or a signal.
INTERRUPTED = "Interrupted: "

#: The condition for runs whose error states an interruption, so that they can be resumed.
IS_INTERRUPTED = Q(error=_PROCESS_ENDED) | Q(error__startswith=INTERRUPTED)


def find_interrupted(alias: str, platform: str) -> list[Any]:
    """Return the runs of a platform that were interrupted and can be resumed, oldest first.

    Runs that failed because a source is unreadable are not included: resuming would not help.
    """
    runs: Any = apps.get_model(alias, "LoadRun").objects.using(alias).filter(platform=platform)
    is_resumable = IS_INTERRUPTED | Q(chunks__is_held=True)
    rows = runs.filter(Q(status="running") | Q(status="failed") & is_resumable)
    return [row for row in rows.distinct().order_by("pk") if not _is_alive(alias, row)]


def end_dead_runs(alias: str, platform: str, current_id: int, now: datetime) -> None:
    """Mark the runs of a platform as failed whose process has ended.

    A run is dead if its lock is free, because a living process holds it. Without locks, no run is
    known to be dead.

    :param current_id: the id of the run of this process, which is not examined
    """
    if not run_lock.has_locks(alias):
        return
    runs: Any = apps.get_model(alias, "LoadRun").objects.using(alias)
    running = runs.filter(platform=platform, status="running").exclude(pk=current_id)
    for run_id in running.values_list("pk", flat=True):
        if run_lock.try_lock(alias, run_id):
            runs.filter(pk=run_id).update(status="failed", finished_at=now)
            # If a gate held the run, its error already states a more useful reason.
            runs.filter(pk=run_id, error="").update(error=_PROCESS_ENDED)
            run_lock.unlock(alias, run_id)


def give_up(alias: str, row: Any, reason: str) -> None:
    """Store why an interrupted run cannot be resumed, so that it is not tried again.

    Records that a gate holds can still be released.

    :param row: the row as it was read; nothing happens if another process has changed it since
    """
    if _is_alive(alias, row):
        return
    is_holding = row.chunks.filter(is_held=True).exists()
    reasons = filter(None, [row.error if row.error != _PROCESS_ENDED else "", reason])
    runs: Any = apps.get_model(alias, "LoadRun").objects.using(alias)
    runs.filter(pk=row.pk, status=row.status, finished_at=row.finished_at).update(
        status="held" if is_holding else "failed",
        error="\n".join(reasons) if is_holding else reason,
        finished_at=timezone.now(),
    )


def _is_alive(alias: str, row: Any) -> bool:
    """Return whether another process is loading a run now."""
    if row.status != "running" or not run_lock.has_locks(alias):
        return False
    is_free = run_lock.try_lock(alias, row.pk)
    if is_free:
        run_lock.unlock(alias, row.pk)
    return not is_free
