"""Rows that are pending review: their kinds, the actions of each kind, and the kind of runs.

`review` has the other kinds. A row is named by its platform and number, as in uzum-17, because each
database has its own numbers.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, ClassVar, NamedTuple

import orjson
from django.db import Error, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from marketplace.exceptions import MarketplaceError, SourceError
from marketplace.humanize import counted
from marketplace.loading import chunks, ingest, sources
from marketplace.loading.formats.documents import Line
from marketplace.loading.models import IS_INTERRUPTED, LoadRun, LoadRunQuerySet, loading_models
from marketplace.loading.values import quote
from marketplace.registry import ALIASES, PLATFORMS, get_platform

#: The number of records that are shown of a run.
_FIRST = 3

#: A row or an entry as the JSON output of `ingest_review`.
Json = dict[str, Any]


class Address(NamedTuple):
    """The address of a row.

    :param platform: empty if the address has only the database
    """

    alias: str
    platform: str
    pk: int

    def __str__(self) -> str:
        return f"{self.platform or self.alias}-{self.pk}"


def parse_address(name: str) -> Address:
    """Return the address of a name such as "uzum-17", or "ecommerce-17" for outliers.

    :raises SourceError: if it is not a valid address
    """
    prefix, _, number = name.rpartition("-")
    if number.isascii() and number.isdecimal():
        if prefix in {platform.name for platform in PLATFORMS}:
            return Address(get_platform(prefix).database, prefix, int(number))
        if prefix in ALIASES:
            return Address(prefix, "", int(number))
    names = ", ".join(platform.name for platform in PLATFORMS)
    raise SourceError(
        f"{quote(name)} is not a valid id. Write PLATFORM-NUMBER, as in uzum-17. Platforms: "
        f"{names}."
    )


class Entry(NamedTuple):
    """An entry of the list: a run, an outlier, or quarantined records with the same reason.

    :param ids: addresses of its rows, the newest first; of many records, only the newest ones
    :param records: number of its records
    :param source: source of its newest row
    :param values: the entry as JSON
    """

    ids: list[str]
    records: int
    source: str
    since: datetime
    reasons: list[str]
    values: Json


class Section(NamedTuple):
    """The entries of one kind and status.

    :param total: number of rows
    :param more: number of rows that are not in the entries
    """

    kind: str
    title: str
    total: int
    entries: list[Entry]
    more: int = 0


@dataclass(frozen=True)
class Selection:
    """Rows of one kind in one database. An action on them succeeds or fails as a whole.

    :param platform: select rows of this platform; empty for all platforms
    :param pks: select these rows; empty for all
    :param reason: select records whose reason, as it is listed, contains this text
    :param is_exact: whether the reason must be this text
    """

    kind: str
    alias: str
    platform: str = ""
    pks: tuple[int, ...] = ()
    reason: str = ""
    is_exact: bool = False

    @property
    def address(self) -> Address:
        """The address of the first row."""
        return Address(self.alias, self.platform, self.pks[0])


class Result(NamedTuple):
    """The result of an action.

    :param text: a sentence about what was done
    :param problems: reasons of failures, and the next step
    """

    text: str
    problems: list[str]
    is_failed: bool = False


class Kind(ABC):
    """One kind of rows that wait in a database."""

    #: Name in the addresses of `ingest_review`, and of the model, by which permissions are named.
    name: ClassVar[str]
    model_name: ClassVar[str]
    #: Action → its consequences. `release` and `discard` are methods that take a selection, return
    #: a `Result`, and raise a `MarketplaceError` if that is not possible.
    actions: ClassVar[dict[str, str]]

    def __init__(self, alias: str) -> None:
        self.alias = alias

    @abstractmethod
    def rows(self) -> QuerySet[Any]:
        """Return the rows that can be shown."""

    def waiting(self) -> QuerySet[Any]:
        """Return the rows that are pending review: all of them, unless a kind overrides this."""
        return self.rows()

    @abstractmethod
    def sections(self, platform: str, show_all: bool) -> Iterator[Section]:
        """Yield the lists of rows that are pending review.

        :param platform: list the rows of this platform; of all platforms if empty
        :param show_all: whether to list all entries, with all ids
        """

    @abstractmethod
    def describe(self, row: Any) -> Json:
        """Return a row as JSON."""

    @abstractmethod
    def count(self, selection: Selection) -> int:
        """Return the number of records of the rows.

        :raises SourceError: if a row does not exist or is not pending review
        """

    @abstractmethod
    def reason(self, row: Any) -> str:
        """Return why a row waits; it may have several lines."""

    def candidates(self, action: str) -> QuerySet[Any]:
        """Return the rows to which an action can be applied."""
        return self.waiting()

    def address(self, row: Any) -> Address:
        """Return the address of a row."""
        return Address(self.alias, row.platform, row.pk)

    def alike(self, row: Any) -> Selection:
        """Return the rows that are listed together with a row."""
        return Selection(self.name, self.alias, self.address(row).platform, (row.pk,))

    def select(self, selection: Selection) -> QuerySet[Any]:
        """Return the rows of a selection."""
        return self.rows().filter(pk__in=selection.pks)

    def find(self, rows: QuerySet[Any], address: Address) -> QuerySet[Any]:
        """Return the row with an address."""
        return rows.filter(pk=address.pk, platform=address.platform)

    def get(self, address: Address) -> Any:
        """Return the row with an address.

        :raises SourceError: if it does not exist
        """
        row = self.find(self.rows(), address).first()
        if row is None:
            raise SourceError(f"The {self.name} {address} does not exist. See: ingest_review list.")
        return row

    def subject(self, selection: Selection) -> str:
        """Return the name of the rows in messages and as the confirmation: uzum-17."""
        return str(selection.address)

    def label(self, selection: Selection) -> str:
        """Return the number and name of the rows: 2 records of run uzum-17.

        :raises SourceError: if a row does not exist or is not pending review
        """
        records = counted(self.count(selection), "record")
        return f"{records} of {self.name} {self.subject(selection)}"

    def act(self, action: str, selection: Selection) -> Result:
        """Release, discard or restore rows."""
        method: Callable[[Selection], Result] = getattr(self, action)
        return method(selection)


def split_samples(row: Json) -> tuple[Json, list[tuple[str, Any]]]:
    """Return the values of a row's JSON, and the records in it: title and payload."""
    values, samples = dict(row), list[tuple[str, Any]]()
    for line in values.pop("first", ()):
        place = f"{line.get('source', '')}: {line['place']}"
        payload = line["payload"] if "payload" in line else line["raw"]
        samples.append((f"held {place} ({line.get('shape') or line['reason']})", payload))
    for line in values.pop("received", ()):
        samples.append((f"received {line['place']}", line["raw"]))
    if "payload" in values:
        samples.append(("payload", values.pop("payload")))
    return values, samples


class Runs(Kind):
    """Runs that a gate holds, and failed runs that can be resumed."""

    name = "run"
    model_name = "loadrun"
    actions = {
        "release": "The records are loaded as if they had arrived in time. The gates let held "
        "records pass.",
        "discard": "The records are deleted permanently. Those that are already loaded are kept.",
    }

    def rows(self) -> LoadRunQuerySet:
        """Return all runs."""
        return loading_models(self.alias).runs

    def waiting(self) -> LoadRunQuerySet:
        """Return the held runs, and the failed runs that can be resumed.

        A failed run can be resumed if it keeps records that were pushed or held, or if it was
        stopped before its files were read to their end.
        """
        kept = loading_models(self.alias).chunks.filter(Q(run=OuterRef("pk")))
        return self.rows().held() | self.rows().failed().filter(Exists(kept) | IS_INTERRUPTED)

    def sections(self, platform: str, show_all: bool) -> Iterator[Section]:
        """Yield the held runs and the failed runs, the oldest first."""
        runs = self.waiting().order_by("pk")
        entries = [(run.status, self._entry(run)) for run in runs if platform in ("", run.platform)]
        for title, status in (("Held runs", "held"), ("Failed runs", "failed")):
            listed = [entry for run_status, entry in entries if run_status == status]
            yield Section(self.name, title, len(listed), listed)

    def _entry(self, run: LoadRun) -> Entry:
        name, reasons = str(self.address(run)), self.reason(run).splitlines()
        received = sum(1 for _ in self._received(run))
        values: Json = {"id": name, "status": run.status, "source": run.source, "causes": reasons}
        values |= {"held": run.held_count, "received": received}
        values |= {"started_at": run.started_at, "finished_at": run.finished_at}
        since = run.finished_at or run.started_at
        return Entry([name], run.held_count + received, run.source, since, reasons, values)

    def reason(self, row: Any) -> str:
        """Return why a gate holds the run, or why it failed."""
        return str(row.error)

    def describe(self, row: Any) -> Json:
        """Return a run as JSON: its counts, why it waits, and the first records that it keeps."""
        names = ("read", "created", "updated", "unchanged", "rejected", "held", "price_point")
        held = chunks.read(self.alias, row.pk, is_held=True)
        lines = islice(held, _FIRST) if row.status == LoadRun.Status.HELD else ()
        return {
            "id": str(self.address(row)),
            "status": row.status,
            "source": row.source,
            "started_at": row.started_at,
            "finished_at": row.finished_at,
            "causes": row.error.splitlines(),
            "counts": {name: getattr(row, f"{name}_count") for name in names},
            "options": row.options,
            "first": [orjson.loads(line.raw) for line in lines],
            "received": [
                {"place": line.place, "raw": line.raw.decode("utf-8", "replace")}
                for line in islice(self._received(row), _FIRST)
            ],
        }

    def _received(self, run: Any) -> Iterator[Line]:
        """Yield the lines that a run has received and not loaded."""
        path = sources.chunks_path(sources.RECEIVED, run.pk)
        source = run.sources.filter(path=path).order_by("pk").last()
        lines = islice(chunks.read(self.alias, run.pk), source.checkpoint if source else 0, None)
        yield from (line for line in lines if line.raw != chunks.BLANK_LINE)

    def count(self, selection: Selection) -> int:
        """Return how many records a run holds or has not loaded, without unread ones of files."""
        run = self.get(selection.address)
        if not self.waiting().filter(pk=run.pk).exists():
            advice = " Load its sources again." if run.status == LoadRun.Status.FAILED else ""
            raise SourceError(
                f"Run {selection.address} has no records to release or discard: its status is "
                f"{run.status}.{advice}"
            )
        return int(run.held_count) + sum(1 for _ in self._received(run))

    def release(self, selection: Selection) -> Result:
        """Load the records of a run; the gates let held ones pass, and judge those of a failed run.

        :raises SourceError: if it has nothing to load, or it fails unexpectedly
        """
        label, address = self.label(selection), selection.address
        try:
            summary = ingest.resume(self.alias, address.pk)
        except (Error, MarketplaceError):
            raise
        except Exception as error:
            failure = ingest.name_failure(str(address), error)
            raise SourceError(f"Run {address} failed: {failure}") from error
        problems = [*summary.source_errors, *summary.rejections()]
        text = f"Released {label}: {summary.counts}."
        return Result(text, problems, summary.needs_attention)

    def discard(self, selection: Selection) -> Result:
        """Delete the records that a run holds or has not loaded."""
        run = self.rows().filter(pk=selection.address.pk)
        with transaction.atomic(using=self.alias):
            # A concurrent release waits for this lock, and then finds the run discarded.
            run.select_for_update().first()
            label = self.label(selection)
            run.update(status=LoadRun.Status.DISCARDED)
            loading_models(self.alias).chunks.of_run(selection.address.pk).delete()
        return Result(f"Discarded {label}.", [])
