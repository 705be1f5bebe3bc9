"""What a run is to read: its sources, and what is known of each when it begins."""

import hashlib
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from django.utils.timezone import localtime

from marketplace.exceptions import SourceError
from marketplace.loading.database_models import loading_models
from marketplace.loading.formats import documents
from marketplace.loading.preparation import Batch
from marketplace.loading.retry import retry_on_disconnect
from marketplace.registry import get_platform

#: How far clocks may differ.
_TOLERANCE = timedelta(days=1)

#: Names of the two sources of a run that are stored in the database: held and received records.
HELD, RECEIVED = "what was held", "request"


class SourceStart(NamedTuple):
    """A source begins.

    :param observed_at: the time of its records that tell none
    :param newest_payload: id of the newest payload that was stored before the source; 0 if none was
    """

    name: str
    path: str
    digest: str
    observed_at: datetime
    newest_payload: int | None = None


class SourceEnd(NamedTuple):
    """A source was read to its end, or to where it cannot be read.

    :param failure: why not to its end
    """

    failure: str = ""


Message = SourceStart | Batch | SourceEnd


class Checkpoint(NamedTuple):
    """What an earlier part of the run did with a source.

    :param position: documents that are done
    :param newest_payload: id of the newest payload that was stored before it; None if not known
    :param stale_times: times in its documents that do not count
    """

    digest: str
    observed_at: datetime
    position: int
    is_complete: bool
    newest_payload: int | None = None
    stale_times: tuple[datetime, ...] = ()


@dataclass(frozen=True)
class Job:
    """What is to be read, as it can be handed to another process.

    :param sources: files, or "-"; a number is the run whose chunks are read
    :param observed_at: the time that the user said; None if none
    :param now: the time of records for which nothing else tells one
    :param begun: path → what an earlier part of the same run did with it
    :param columns: a mapping file
    :param is_held: whether the run's chunks are what a gate held
    :param is_released: whether a person let everything pass
    :param full_listing: "shop", "category" or "auto" if the sources are the whole of it; else empty
    """

    platform: str
    sources: tuple[str | int, ...]
    observed_at: datetime | None
    now: datetime
    options: Mapping[str, str] = field(default_factory=dict)
    columns: str | None = None
    begun: Mapping[str, Checkpoint] = field(default_factory=dict)
    is_held: bool = False
    is_released: bool = False
    full_listing: str = ""

    @property
    def said_at(self) -> datetime | None:
        """The time that counts more than what payloads tell; None if nobody said one."""
        return None if self.is_released else self.observed_at

    @property
    def latest(self) -> datetime:
        """The time after which no payload of the run can have been observed."""
        return self.now + _TOLERANCE

    @property
    def alias(self) -> str:
        """The database of the platform."""
        return get_platform(self.platform).database


def check_observed_at(moment: datetime | None, now: datetime) -> None:
    """Refuse a stated time of observation that no observation can have.

    :raises SourceError: if it lies more than a day in the future
    """
    if moment and moment > now + _TOLERANCE:
        at = localtime(moment).isoformat(" ", "minutes")
        raise SourceError(
            f"The stated time of observation, {at}, lies more than a day in the future: any "
            "observation before it would count as late. Check its year and its time zone."
        )


class _Digest:
    """By what a file is known again, found out while it is being read."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._found = ""
        self._thread = threading.Thread(target=self._find, daemon=True)
        self._thread.start()

    def _find(self) -> None:
        self._found = file_digest(self._path)

    @property
    def value(self) -> str:
        """The digest; waits for it."""
        self._thread.join()
        return self._found


class Start:
    """The start of a source: what is known of it, found out when it is needed."""

    def __init__(self, job: Job, name: str, path: str, digest: _Digest, begun: Checkpoint | None):
        self.job = job
        self.name = name
        self.path = path
        self._digest = digest
        self._begun = begun

    @cached_property
    def observed_at(self) -> datetime:
        """The time of the records that tell none."""
        job = self.job
        if self._begun:
            return self._begun.observed_at
        if job.observed_at:
            return job.observed_at
        return self._first_load or job.now

    @cached_property
    def _first_load(self) -> datetime | None:
        job, digest = self.job, self._digest.value
        return retry_on_disconnect(job.alias, lambda: first_load(job.alias, job.platform, digest))

    @cached_property
    def newest_payload(self) -> int:
        """Id of the newest payload that was stored before the source; 0 if none was."""
        if self._begun and self._begun.newest_payload is not None:
            return self._begun.newest_payload
        return retry_on_disconnect(self.job.alias, lambda: newest_payload(self.job.alias))

    @property
    def stale_times(self) -> tuple[datetime, ...]:
        """The times that do not count according to an earlier part of the run."""
        return self._begun.stale_times if self._begun else ()

    @property
    def is_repeated(self) -> bool:
        """Whether the same file was loaded before; it is not asked where the time is stated."""
        if self._begun:
            return self._is_of_earlier_run
        return "_first_load" in self.__dict__ and self._first_load is not None

    @cached_property
    def _is_of_earlier_run(self) -> bool:
        job, digest = self.job, self._digest.value
        found = retry_on_disconnect(
            job.alias, lambda: first_load(job.alias, job.platform, digest, before=job.now)
        )
        return found is not None

    @property
    def position(self) -> int:
        """How many of its documents are done."""
        return self._begun.position if self._begun else 0

    @property
    def message(self) -> SourceStart:
        """The message that begins the source."""
        digest = self._digest.value
        return SourceStart(self.name, self.path, digest, self.observed_at, self.newest_payload)


def begin(job: Job, source: str | int) -> Start | None:
    """Return the start of a source; None if an earlier part of the run read it to its end."""
    name, path = _name(source, job)
    digest = _Digest("" if isinstance(source, int) else source)
    begun = job.begun.get(path)
    if begun and begun.digest != digest.value:
        begun = None
    if begun and begun.is_complete:
        return None
    return Start(job, name, path, digest, begun)


def _name(source: str | int, job: Job) -> tuple[str, str]:
    """Return what a source is called, and by what it is known within its run."""
    if isinstance(source, int):
        what = HELD if job.is_held else RECEIVED
        return what, chunks_path(what, source)
    if source == documents.STANDARD_INPUT:
        return source, source
    return Path(source).name, os.path.abspath(source)


def chunks_path(what: str, run_id: int) -> str:
    """Return the path of a run's stored source.

    :param what: HELD or RECEIVED
    """
    return f"{what} {run_id}"


def given(job: Job, name: str) -> Start:
    """Return the start of a source of payloads that are in memory."""
    return Start(job, name, "", _Digest(""), None)


def file_digest(path: str) -> str:
    """Return by what a file is known again; nothing for what is read once only, or not at all."""
    if not os.path.isfile(path):
        return ""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError:
        # Reading it fails in the same way, where it becomes the source's failure.
        return ""


def newest_payload(alias: str) -> int:
    """Return the id of the payload that was stored last; 0 if there is none."""
    models = loading_models(alias).payload_models
    if models is None:
        return 0
    newest: int | None = models.payloads.order_by("-pk").values_list("pk", flat=True).first()
    return newest or 0


def first_load(
    alias: str, platform: str, digest: str, *, before: datetime | None = None
) -> datetime | None:
    """Return the time that observations of the same file had when it was loaded first.

    The same bytes are the same observation: loading them again, in whatever order with others,
    must not make them news.

    :param before: only runs that started before count
    """
    if not digest:
        return None
    known = loading_models(alias).sources.of(platform).filter(digest=digest).order_by("pk")
    if before:
        known = known.started_before(before)
    first: datetime | None = known.values_list("observed_at", flat=True).first()
    return first
