"""The waiting room: a person lists and shows what waits, and releases or discards it.

All kinds of rows are used in the same way, by `ingest_review` and by the admin: held and failed
runs, quarantined records, and prices that the app of a database marks as outliers.
"""

from collections.abc import Collection, Iterator
from importlib import import_module
from importlib.util import find_spec
from itertools import groupby, islice
from typing import Any

import orjson
import zstandard
from django.db import Error, models, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Concat

from marketplace.exceptions import MarketplaceError, SourceError
from marketplace.humanize import counted
from marketplace.loading import chunks, ingest, release, sources
from marketplace.loading.formats import json_text
from marketplace.loading.formats.documents import Line
from marketplace.loading.models import IS_INTERRUPTED, LoadRun, LoadRunQuerySet, loading_models
from marketplace.loading.waiting import Address, Entry, Json, Kind, Result, Section, Selection

#: The number of reasons that are listed without --all, and of reasons of failures.
MAX_GROUPS, _MAX_FAILURES = 20, 10

#: Counts the failures for all further reasons.
_OTHER = "other reasons"

#: The number of ids that are listed for each reason, and of records that are shown of a run.
_NEWEST, _FIRST = 3, 3

#: The number of records that are loaded again, or deleted, at a time.
_STEP = 1000


class Runs(Kind):
    """Runs that a gate holds, and failed runs that can be resumed."""

    name = "run"
    model_name = "loadrun"
    actions = {
        "release": "The records are loaded as if they had arrived in time and passed the gates.",
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
        kept = loading_models(self.alias).chunks.filter(Q(run=models.OuterRef("pk")))
        return self.rows().held() | self.rows().failed().filter(
            models.Exists(kept) | IS_INTERRUPTED
        )

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


class Records(Kind):
    """Quarantined records. Those with the same reason are listed together."""

    name = "record"
    model_name = "quarantinedrecord"
    actions = {
        "release": "The records are loaded again. Those that are rejected stay in quarantine.",
        "discard": "The records are deleted permanently. To get them back, load the source again.",
    }

    def rows(self) -> QuerySet[Any]:
        """Return the records, annotated with `shown`: the field and the reason."""
        whole = Concat("field", models.Value(": "), "reason", output_field=models.TextField())
        shown = models.Case(
            models.When(field="", then=models.F("reason")),
            default=whole,
            output_field=models.TextField(),
        )
        return loading_models(self.alias).quarantine.annotate(shown=shown)

    def sections(self, platform: str, show_all: bool) -> Iterator[Section]:
        """Yield the records, with an entry for each reason."""
        records = self.select(Selection(self.name, self.alias, platform))
        counts = {"count": models.Count("pk"), "since": models.Min("first_seen_at")}
        groups = records.values("platform", "shown").annotate(**counts)
        groups = groups.order_by("-count", "platform", "shown")
        listed = groups if show_all else groups[:MAX_GROUPS]
        entries = [self._entry(group, show_all) for group in listed]
        total = records.count()
        more = total - sum(entry.records for entry in entries)
        yield Section(self.name, "Quarantine", total, entries, more)

    def _entry(self, group: dict[str, Any], show_all: bool) -> Entry:
        platform, reason, count = group["platform"], group["shown"], group["count"]
        alike = self.select(Selection(self.name, self.alias, platform, (), reason, is_exact=True))
        rows = alike.order_by("-pk").values_list("pk", "source")
        newest = list(rows if show_all else rows[:_NEWEST])
        ids = [f"{platform}-{pk}" for pk, _ in newest]
        source = newest[0][1].rpartition(": ")[0] or newest[0][1] if newest else ""
        values = {"platform": platform, "reason": reason, "records": count, "newest": ids}
        return Entry(ids, count, source, group["since"], [reason], values)

    def reason(self, row: Any) -> str:
        """Return the field and the reason."""
        return str(row.shown)

    def describe(self, row: Any) -> Json:
        """Return a record as JSON. A payload that is not JSON is returned as text."""
        names = "external_id source shape context options observed_at observed_times first_seen_at"
        run = row.run_id and f"{row.platform}-{row.run_id}"
        raw = zstandard.decompress(row.payload)
        try:
            payload = json_text.parse(raw)
        except ValueError:
            payload = raw.decode("utf-8", "replace")
        values = {"id": str(self.address(row)), "reason": row.shown, "run": run}
        values |= {name: getattr(row, name) for name in f"{names} last_seen_at seen_count".split()}
        return values | {"payload": payload}

    def alike(self, row: Any) -> Selection:
        """Return the records of a platform with the same reason."""
        return Selection(self.name, self.alias, row.platform, (), row.shown, is_exact=True)

    def select(self, selection: Selection) -> QuerySet[Any]:
        """Return the records of a selection."""
        rows = self.rows()
        if selection.platform:
            rows = rows.filter(platform=selection.platform)
        if selection.pks:
            rows = rows.filter(pk__in=selection.pks)
        if selection.reason:
            lookup = "shown" if selection.is_exact else "shown__icontains"
            rows = rows.filter(**{lookup: selection.reason})
        return rows

    def subject(self, selection: Selection) -> str:
        """Return the platform of the records, or their database."""
        return selection.platform or self.alias

    def label(self, selection: Selection) -> str:
        """Return the number of the records and their platform."""
        return f"{counted(self.count(selection), 'record')} of {self.subject(selection)}"

    def count(self, selection: Selection) -> int:
        """Return the number of records."""
        return self.select(selection).count()

    def release(self, selection: Selection) -> Result:
        """Load the records with the current adapters; those that fail stay, with the new reason."""
        loaded = again = 0
        failures: dict[str, tuple[int, list[str]]] = {}
        for platform, pks in self._steps(selection):
            rows = self.rows().filter(pk__in=pks)
            release.reload_records(self.alias, platform, list(rows))
            failed = list(rows.order_by("pk").values_list("pk", "shown"))
            loaded, again = loaded + len(pks) - len(failed), again + len(failed)
            for pk, reason in failed:
                # The ids and reasons of millions of records would not fit into the memory.
                key = reason if reason in failures or len(failures) < _MAX_FAILURES else _OTHER
                count, ids = failures.get(key, (0, []))
                failures[key] = count + 1, [*ids, f"{platform}-{pk}"][:_NEWEST]
        text = f"Released {counted(loaded, 'record')} of {self.subject(selection)}"
        text += f"; {again:,} failed again." if again else "."
        return Result(text, list(_failure_lines(failures)), again > 0)

    def discard(self, selection: Selection) -> Result:
        """Delete the records."""
        deleted = 0
        for _, pks in self._steps(selection):
            with transaction.atomic(using=self.alias):
                deleted += self.rows().filter(pk__in=pks).delete()[0]
        records = counted(deleted, "record")
        return Result(f"Discarded {records} of {self.subject(selection)}.", [])

    def _steps(self, selection: Selection) -> Iterator[tuple[str, list[int]]]:
        """Yield a platform and ids of selected records, at most _STEP ids at a time."""
        selected = self.select(selection)
        # Records that are rejected from now on are not selected.
        last = selected.aggregate(last=models.Max("pk"))["last"] or 0
        for platform in selected.values_list("platform", flat=True).distinct().order_by("platform"):
            rows, first = selected.filter(platform=platform, pk__lte=last).order_by("pk"), 0
            while pks := list(rows.filter(pk__gt=first).values_list("pk", flat=True)[:_STEP]):
                yield platform, pks
                first = pks[-1]


def _failure_lines(failures: dict[str, tuple[int, list[str]]]) -> Iterator[str]:
    """Yield the reasons of records that failed again, and the next step.

    :param failures: reason → the number of records, and ids of the first ones
    """
    for reason, (count, ids) in failures.items():
        shown = " ".join([*ids, *(["…"] if count > len(ids) else [])])
        yield f"failed {count:,}: {reason} (record {shown})"
    for _, ids in islice(failures.values(), 1):
        yield (
            "Load the corrected source, then discard the record: python manage.py ingest_review "
            f"discard record {ids[0]}"
        )


def kinds_of(alias: str) -> list[Kind]:
    """Return the kinds of rows that may wait in a database."""
    kinds: list[Kind] = [Runs(alias), Records(alias)]
    name = f"{alias}.outliers"
    return [*kinds, import_module(name).Outliers(alias)] if find_spec(name) else kinds


def get_kind(alias: str, name: str) -> Kind:
    """Return a kind of rows: "run", "record" or "outlier".

    :raises SourceError: if the database has no such rows
    """
    for kind in kinds_of(alias):
        if kind.name == name:
            return kind
    raise SourceError(f"{alias} does not mark prices as outliers.")


def find_kind(address: Address, names: Collection[str]) -> Kind:
    """Return the kind of the row with an address. Rows that wait are preferred to other ones.

    :param names: the possible kinds
    :raises SourceError: if no row has the address, or rows of several kinds have it
    """
    kinds = [kind for kind in kinds_of(address.alias) if kind.name in names]
    for is_waiting in (True, False):
        rows = ((kind, kind.waiting() if is_waiting else kind.rows()) for kind in kinds)
        found = [kind for kind, selected in rows if kind.find(selected, address).exists()]
        if len(found) > 1:
            choice = " or ".join(f"{kind.name} {address}" for kind in found)
            raise SourceError(f"{address} is ambiguous. Write {choice}.")
        if found:
            return found[0]
    raise SourceError(
        f"No run, record or outlier {address} is pending review. See: ingest_review list."
    )


def list_waiting(alias: str, platform: str = "", *, show_all: bool = False) -> list[Section]:
    """Return the rows of a database that are pending review; `Kind.sections` has the parameters."""
    return [part for kind in kinds_of(alias) for part in kind.sections(platform, show_all)]


def select(name: str, addresses: list[Address]) -> list[Selection]:
    """Return rows of a kind as selections: records of each platform together, others one by one.

    :raises SourceError: if a record does not exist
    """
    if name != Records.name:
        return [Selection(name, alias, platform, (pk,)) for alias, platform, pk in addresses]
    for address in addresses:
        Records(address.alias).get(address)
    return [
        Selection(name, alias, platform, tuple(address.pk for address in same))
        for (alias, platform), same in groupby(sorted(addresses), key=lambda address: address[:2])
    ]
