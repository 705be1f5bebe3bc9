"""The sources that a run reads, and their stored state."""

import hashlib
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from marketplace.exceptions import SourceError
from marketplace.humanize import format_time
from marketplace.loading.formats import documents
from marketplace.loading.items import Batch, Position
from marketplace.loading.models import loading_models
from marketplace.loading.retry import retry
from marketplace.registry import get_platform

#: The largest tolerated difference between the clocks of two machines.
_TOLERANCE = timedelta(days=1)

#: Names of the sources that are stored in the run's chunks: records that a gate holds, and records
#: that were received in a request.
HELD, RECEIVED = "held records", "request"


class SourceStart(NamedTuple):
    """The message that a source is being read.

    :param observed_at: the time of its records that state none
    :param newest_payload: id of the newest payload that was stored before the source; 0 if none was
    """

    name: str
    path: str
    digest: str
    observed_at: datetime
    newest_payload: int | None = None


class SourceEnd(NamedTuple):
    """The message that a source was read.

    :param failure: why it was not read to its end; empty if it was
    """

    failure: str = ""


Message = SourceStart | Batch | SourceEnd


class Checkpoint(NamedTuple):
    """How far an interrupted run has loaded a source.

    :param position: the records before it are loaded
    :param newest_payload: id of the newest payload that was stored before it; None if not known
    :param stale_times: stale times of its documents, which are ignored
    """

    digest: str
    observed_at: datetime
    position: Position
    is_complete: bool
    newest_payload: int | None = None
    stale_times: tuple[datetime, ...] = ()


@dataclass(frozen=True)
class Job:
    """The sources to load and how to read them, as one process hands them to another.

    :param sources: files, or "-" for standard input, or the id of the run whose chunks to read
    :param observed_at: the time of observation that the user specified, or None
    :param now: the time of records for which no other time is known
    :param checkpoints: path → how far an interrupted part of the run has loaded it
    :param columns: a mapping file
    :param is_held: whether to read the chunks that a gate holds
    :param is_released: whether the records were released manually, so that the gates let them pass
    :param full_listing: "shop", "category" or "auto" if the sources are a full listing; else empty
    """

    platform: str
    sources: tuple[str | int, ...]
    observed_at: datetime | None
    now: datetime
    options: Mapping[str, str] = field(default_factory=dict)
    columns: str | None = None
    checkpoints: Mapping[str, Checkpoint] = field(default_factory=dict)
    is_held: bool = False
    is_released: bool = False
    full_listing: str = ""

    @property
    def overriding_time(self) -> datetime | None:
        """The time that replaces the times in payloads; None if these count."""
        return None if self.is_released else self.observed_at

    @property
    def latest(self) -> datetime:
        """The latest time at which a payload of the run can have been observed."""
        return self.now + _TOLERANCE

    @property
    def alias(self) -> str:
        """The database of the platform."""
        return get_platform(self.platform).database


def check_observed_at(time: datetime | None, now: datetime) -> None:
    """Check the time of observation that the user specified.

    :raises SourceError: if it is more than a day in the future
    """
    if time and time > now + _TOLERANCE:
        at = format_time(time)
        raise SourceError(
            f"The time of observation, {at}, is more than a day in the future: any observation "
            "before it would be a late arrival. Check the year and the time zone."
        )


def check_paths(paths: Sequence[str]) -> None:
    """Check that there is something to read: a mistyped path must not count as a failed load.

    :raises SourceError: if there are paths, and none of them exists
    """
    exists = (path == documents.STANDARD_INPUT or os.path.exists(path) for path in paths)
    if paths and not any(exists):
        raise SourceError(
            f"Cannot read {', '.join(paths)}: No such file or directory. Nothing was loaded; check "
            "the path."
        )


class _Digest:
    """The digest of a file, computed in a thread while the file is being read."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._value = ""
        self._thread = threading.Thread(target=self._compute, daemon=True)
        self._thread.start()

    def _compute(self) -> None:
        self._value = file_digest(self._path)

    @property
    def value(self) -> str:
        """The digest; waits until it is computed."""
        self._thread.join()
        return self._value


class SourceState:
    """A source and its stored state. Queries run when their result is needed."""

    def __init__(
        self, job: Job, name: str, path: str, digest: _Digest, checkpoint: Checkpoint | None
    ) -> None:
        self.job = job
        self.name = name
        self.path = path
        self._digest = digest
        self._checkpoint = checkpoint

    @cached_property
    def observed_at(self) -> datetime:
        """The time of the records that state none."""
        job = self.job
        if self._checkpoint:
            return self._checkpoint.observed_at
        if job.observed_at:
            return job.observed_at
        return self._first_load or job.now

    @cached_property
    def _first_load(self) -> datetime | None:
        return find_first_load(self.job.alias, self.job.platform, self._digest.value)

    @cached_property
    def newest_payload(self) -> int:
        """The id of the newest payload that was stored before the source; 0 if none was."""
        if self._checkpoint and self._checkpoint.newest_payload is not None:
            return self._checkpoint.newest_payload
        return find_newest_payload(self.job.alias)

    @property
    def stale_times(self) -> tuple[datetime, ...]:
        """The stale times that an interrupted part of the run has found."""
        return self._checkpoint.stale_times if self._checkpoint else ()

    @property
    def is_repeated(self) -> bool:
        """Whether the same file was loaded before; False if its time was not looked up."""
        if self._checkpoint:
            return self._is_of_earlier_run
        return "_first_load" in self.__dict__ and self._first_load is not None

    @cached_property
    def _is_of_earlier_run(self) -> bool:
        job, digest = self.job, self._digest.value
        return find_first_load(job.alias, job.platform, digest, before=job.now) is not None

    @property
    def position(self) -> Position:
        """The position before which all records are loaded."""
        return self._checkpoint.position if self._checkpoint else Position()

    @property
    def start_message(self) -> SourceStart:
        """The message that the source is being read."""
        digest = self._digest.value
        return SourceStart(self.name, self.path, digest, self.observed_at, self.newest_payload)


def get_state(job: Job, source: str | int) -> SourceState | None:
    """Return the state of a source; None if an interrupted part of the run read it to its end."""
    name, path = _name(source, job)
    digest = _Digest("" if isinstance(source, int) else source)
    checkpoint = job.checkpoints.get(path)
    if checkpoint and checkpoint.digest != digest.value:
        checkpoint = None
    if checkpoint and checkpoint.is_complete:
        return None
    return SourceState(job, name, path, digest, checkpoint)


def _name(source: str | int, job: Job) -> tuple[str, str]:
    """Return the name of a source in messages, and its path, which identifies it in its run."""
    if isinstance(source, int):
        kind = HELD if job.is_held else RECEIVED
        return kind, chunks_path(kind, source)
    if source == documents.STANDARD_INPUT:
        return source, source
    return Path(source).name, os.path.abspath(source)


def chunks_path(kind: str, run_id: int) -> str:
    """Return the path of the source that a run's chunks are.

    :param kind: HELD or RECEIVED
    """
    return f"{kind} {run_id}"


def get_state_in_memory(job: Job, name: str) -> SourceState:
    """Return the state of a source of payloads that are in memory."""
    return SourceState(job, name, "", _Digest(""), None)


def file_digest(path: str) -> str:
    """Return the digest by which a file is recognized; empty if it cannot be read twice."""
    if not os.path.isfile(path):
        return ""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError:
        # Reading the source fails in the same way and reports the error.
        return ""


@retry
def find_newest_payload(alias: str) -> int:
    """Return the id of the newest stored payload; 0 if there is none."""
    models = loading_models(alias).payload_models
    if models is None:
        return 0
    newest: int | None = models.payloads.order_by("-pk").values_list("pk", flat=True).first()
    return newest or 0


@retry
def find_first_load(
    alias: str, platform: str, digest: str, *, before: datetime | None = None
) -> datetime | None:
    """Return the time of the observations in the first load of the same file; None if it is new.

    The same bytes are the same observation, whenever and in whatever order files are loaded again.

    :param before: include only runs that started before this time
    """
    if not digest:
        return None
    loads = loading_models(alias).sources.of(platform).filter(digest=digest).order_by("pk")
    if before:
        loads = loads.started_before(before)
    first: datetime | None = loads.values_list("observed_at", flat=True).first()
    return first
