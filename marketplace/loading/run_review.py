"""Review runs that a gate holds, or that failed and can be resumed."""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

import orjson
from django.db import Error, transaction

from marketplace.exceptions import MarketplaceError, SourceError
from marketplace.loading import chunks, ingest, sources
from marketplace.loading.addresses import Address, get_row, runs_of, waiting_runs
from marketplace.loading.formats.documents import Line
from marketplace.loading.models import LoadRun, loading_models

#: The number of records of each kind (held, received) that are shown.
_FIRST = 3


class WaitingRun(NamedTuple):
    """A run that a gate holds, or that failed.

    :param id: its address, such as "uzum-17"
    :param causes: why it is held, or why it failed
    :param held: number of records that a gate holds, or that were received and are not loaded
    """

    id: str
    status: str
    source: str
    causes: list[str]
    held: int
    started_at: datetime
    finished_at: datetime | None


def list_runs(alias: str, platform: str | None = None) -> list[WaitingRun]:
    """Return the runs of a database that are pending review, the oldest first.

    :param platform: list the runs of this platform; of all platforms if None
    """
    runs = waiting_runs(alias).order_by("pk")
    if platform:
        runs = runs.filter(platform=platform)
    return [_waiting_run(alias, run) for run in runs]


def _waiting_run(alias: str, run: Any) -> WaitingRun:
    return WaitingRun(
        f"{run.platform}-{run.pk}",
        run.status,
        run.source,
        run.error.splitlines(),
        count_waiting(alias, run),
        run.started_at,
        run.finished_at,
    )


def describe_run(address: Address) -> dict[str, Any]:
    """Return a run as JSON: its counts, why it waits, and the first records that it keeps.

    :raises SourceError: if the run does not exist
    """
    run = _get_run(address)
    names = ("read", "created", "updated", "unchanged", "rejected", "held", "price_point")
    held = chunks.read(address.alias, run.pk, is_held=True)
    lines = islice(held, _FIRST) if run.status == LoadRun.Status.HELD else ()
    return {
        "id": str(address),
        "status": run.status,
        "source": run.source,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "causes": run.error.splitlines(),
        "counts": {name: getattr(run, f"{name}_count") for name in names},
        "options": run.options,
        "first": [orjson.loads(line.raw) for line in lines],
        "received": [
            {"place": line.place, "raw": line.raw.decode("utf-8", "replace")}
            for line in islice(_received(address.alias, run), _FIRST)
        ],
    }


def _get_run(address: Address) -> Any:
    return get_row(runs_of(address.alias), address, "run")


def release_run(
    address: Address, progress: ingest.Progress = lambda summary: None
) -> ingest.Summary:
    """Load the records of a run, as if they had arrived in time and the gates had let them pass.

    A failed run is resumed where it failed; the gates judge it as usual.

    :raises SourceError: if the run does not exist, it has nothing to load, or it fails unexpectedly
    """
    check_waiting(address)
    try:
        return ingest.resume(address.alias, address.pk, progress=progress)
    except (Error, MarketplaceError):
        raise
    except Exception as error:
        failure = ingest.name_failure(str(address), error)
        raise SourceError(f"Run {address} failed: {failure}") from error


def discard_run(address: Address) -> int:
    """Delete the records that a run holds or did not load. Records that it loaded are kept.

    :return: the number of records that were deleted
    :raises SourceError: if the run does not exist, or it has nothing to discard
    """
    with transaction.atomic(using=address.alias):
        # A concurrent release waits for this lock, and then finds the run discarded.
        runs_of(address.alias).select_for_update().filter(pk=address.pk).first()
        count = check_waiting(address)
        runs_of(address.alias).filter(pk=address.pk).update(status=LoadRun.Status.DISCARDED)
        loading_models(address.alias).chunks.of_run(address.pk).delete()
    return count


def check_waiting(address: Address) -> int:
    """Return how many records a run holds or did not load; unread records of files are excluded.

    :raises SourceError: if the run does not exist, or is not pending review
    """
    run = _get_run(address)
    if not waiting_runs(address.alias).filter(pk=run.pk).exists():
        advice = " Load its sources again." if run.status == LoadRun.Status.FAILED else ""
        raise SourceError(
            f"Run {address} has no records to release or discard: its status is {run.status}."
            f"{advice}"
        )
    return count_waiting(address.alias, run)


def count_waiting(alias: str, run: Any) -> int:
    """Return how many records of a run are held by a gate, or received and not loaded."""
    return int(run.held_count) + sum(1 for _ in _received(alias, run))


def _received(alias: str, run: Any) -> Iterator[Line]:
    """Yield the lines that a run has received and not loaded."""
    path = sources.chunks_path(sources.RECEIVED, run.pk)
    source = run.sources.filter(path=path).order_by("pk").last()
    lines = islice(chunks.read(alias, run.pk), source.checkpoint if source else 0, None)
    yield from (line for line in lines if line.raw != chunks.BLANK_LINE)
