"""Releasing and discarding runs and quarantined records, from lists and pages of the admin.

Each choice is an action of a list, which the page of a row calls too. It is asked once more, and
does what `ingest_review` does.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from django.contrib import admin, messages
from django.contrib.auth import get_permission_codename
from django.db import Error
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from marketplace.exceptions import MarketplaceError
from marketplace.humanize import counted
from marketplace.loading import review, run_review
from marketplace.loading.addresses import Address, waiting_runs
from marketplace.postgresql.errors import explain

if TYPE_CHECKING:
    ModelAdmin: TypeAlias = admin.ModelAdmin[Any]
else:
    # A mixin: the class beside it is a ModelAdmin.
    ModelAdmin = object

#: Rows that one choice may be about, and records that a request may load: more takes a command.
#: Django takes 1000 fields of a form by default.
ROW_LIMIT, HELD_LIMIT = 500, 10_000

#: Rows that the confirmation names.
_NAMED = 10


class Result(NamedTuple):
    """What became of some rows.

    :param level: of the message, such as messages.SUCCESS
    """

    level: int
    text: str


class ReviewedAdmin(ModelAdmin):
    """A table with rows that a person may release or discard: its actions."""

    #: What `ingest_review` calls a row.
    kind = ""

    def has_review_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may decide; loaded rows cannot be edited by anybody."""
        codename = get_permission_codename("change", self.opts)
        return request.user.has_perm(f"{self.opts.app_label}.{codename}")

    @admin.action(description="Release: load them now", permissions=["review"])
    def release(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Load what was chosen."""
        return self._decide(request, queryset, "release")

    @admin.action(description="Discard: delete them for good", permissions=["review"])
    def discard(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Delete what was chosen."""
        return self._decide(request, queryset, "discard")

    # What a table says and does.

    def waiting(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return those of the rows that can be released and discarded."""
        return rows

    def obstacle(self, verb: str, rows: list[Any]) -> str:
        """Return why the rows cannot be released or discarded here; empty if they can."""
        command = f"python manage.py ingest_review {verb} {self.kind}"
        if not rows:
            return f"None of these rows can be {verb}d."
        if len(rows) > ROW_LIMIT:
            return f"At most {ROW_LIMIT:,} rows are {verb}d at once here. Use {command}."
        return ""

    def question(self, verb: str, rows: list[Any]) -> str:
        """Return the question that is asked first."""
        raise NotImplementedError

    def remark(self, row: Any) -> str:
        """Return a text that identifies a row: its source, and why it waits."""
        raise NotImplementedError

    def settle(self, verb: str, alias: str, rows: list[Any]) -> Iterator[Result]:
        """Release or discard the rows, and yield what became of them.

        :raises MarketplaceError: if that is not possible
        """
        raise NotImplementedError

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show the row, with buttons if it waits and the user may decide."""
        obj: Any = kwargs.get("obj")
        rows = self.model._default_manager.filter(pk=obj.pk) if obj else None
        if rows is not None and self.has_review_permission(request) and self.waiting(rows).exists():
            context |= {
                "review_url": reverse(f"admin:{_name(self.opts)}_changelist"),
                "review_name": f"{self.kind} {obj.platform}-{obj.pk}",
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def _decide(
        self, request: HttpRequest, queryset: QuerySet[Any], verb: str
    ) -> HttpResponse | None:
        found = self.waiting(queryset).order_by("platform", "pk")
        rows = list(found[: ROW_LIMIT + 1])
        obstacle = self.obstacle(verb, rows)
        if obstacle:
            self.message_user(request, obstacle, messages.WARNING)
        elif request.POST.get("confirmed"):
            for result in self._settle(verb, rows):
                self.message_user(request, result.text, result.level)
        else:
            return self._confirm(request, verb, rows)
        return None

    def _settle(self, verb: str, rows: list[Any]) -> Iterator[Result]:
        try:
            yield from self.settle(verb, self.opts.app_label, rows)
        except (MarketplaceError, Error) as error:
            yield Result(messages.ERROR, explain(error))

    def _confirm(self, request: HttpRequest, verb: str, rows: list[Any]) -> HttpResponse:
        context = {
            **admin.site.each_context(request),
            "opts": self.opts,
            "title": verb.capitalize(),
            "verb": verb,
            "question": self.question(verb, rows),
            "named": [(f"{row.platform}-{row.pk}", self.remark(row)) for row in rows[:_NAMED]],
            "more": len(rows) - _NAMED,
            "rows": rows,
            "list_url": reverse(f"admin:{_name(self.opts)}_changelist"),
        }
        return TemplateResponse(request, "admin/marketplace/confirm.html", context)


class ReviewedRunAdmin(ReviewedAdmin):
    """Load runs: held runs are released or discarded, failed ones are discarded."""

    kind = "run"

    def waiting(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the runs that a gate holds, or that failed and keep what they could not load."""
        return rows.filter(pk__in=waiting_runs(self.opts.app_label).values("pk"))

    def obstacle(self, verb: str, rows: list[Any]) -> str:
        """Return why not: a run that holds many records takes longer than a page may.

        No page loads a failed run again, because it may have failed by its memory or time.
        """
        if not rows:
            return (
                "None of these runs is held, or failed with records left, so there is nothing to "
                "release or discard."
            )
        failed = [run for run in rows if run.status == "failed"]
        if verb == "release" and failed:
            return (
                f"{failed[0]} failed. To load it again, run python manage.py ingest_review release "
                f"run {failed[0].platform}-{failed[0].pk}."
            )
        large = [run for run in rows if run.held_count > HELD_LIMIT]
        if verb == "release" and large:
            return (
                f"{large[0]} holds {counted(large[0].held_count, 'record')}, too many to load "
                "while a page waits. Run python manage.py ingest_review release run "
                f"{large[0].platform}-{large[0].pk}."
            )
        return super().obstacle(verb, rows)

    def question(self, verb: str, rows: list[Any]) -> str:
        """Return the question, with the number of records."""
        is_failed = any(run.status == "failed" for run in rows)
        left = sum(run_review.count_left(self.opts.app_label, run) for run in rows)
        held = counted(left, "record" if is_failed else "held record")
        runs = counted(len(rows), "run")
        if verb == "release":
            return f"Load {held} of {runs} now, as if no gate had held them?"
        return f"Delete {held} of {runs} for good? What these runs loaded before stays."

    def remark(self, row: Any) -> str:
        """Return the source of the run, and why it is held or failed."""
        return f"{row.source}: {row.error}"

    def settle(self, verb: str, alias: str, rows: list[Any]) -> Iterator[Result]:
        """Release or discard the runs, one after the other."""
        for run in rows:
            address = Address(alias, run.platform, run.pk)
            if verb == "discard":
                held = counted(run_review.discard_run(address), "record")
                yield Result(messages.SUCCESS, f"Discarded {held} of run {address}.")
                continue
            held = counted(run_review.check_held(address), "record")
            summary = run_review.release_run(address)
            yield Result(
                messages.SUCCESS,
                f"Released {held} of run {address}: {summary.created:,} created, "
                f"{summary.updated:,} updated, {summary.unchanged:,} unchanged, "
                f"{summary.rejected:,} rejected.",
            )
            for failure in summary.failures:
                yield Result(messages.ERROR, failure)


class ReviewedRecordAdmin(ReviewedAdmin):
    """Quarantined records: they are loaded again, or deleted."""

    kind = "record"

    def question(self, verb: str, rows: list[Any]) -> str:
        """Return the question, with the number of records."""
        records = counted(len(rows), "quarantined record")
        if verb == "release":
            return f"Load {records} again? Those that still cannot be loaded stay, with a reason."
        return f"Delete {records} for good? Only their source can bring them back."

    def remark(self, row: Any) -> str:
        """Return the source of the record, and why it is in quarantine."""
        return f"{row.source}: {f'{row.field}: ' if row.field else ''}{row.reason}"

    def settle(self, verb: str, alias: str, rows: list[Any]) -> Iterator[Result]:
        """Release or discard the records, platform by platform."""
        for platform, same in groupby(rows, key=lambda row: row.platform):
            chosen = review.Selection(alias, platform, tuple(row.pk for row in same))
            if verb == "discard":
                deleted = counted(review.discard_records(chosen), "record")
                yield Result(messages.SUCCESS, f"Discarded {deleted} of {platform}.")
                continue
            loaded, again = review.release_records(chosen)
            if loaded:
                text = f"Released {counted(loaded, 'record')} of {platform}."
                yield Result(messages.SUCCESS, text)
            if again:
                text = f"{counted(again, 'record')} of {platform} could not be loaded again."
                yield Result(messages.WARNING, f"{text} See the reason in the list.")


def _name(opts: Any) -> str:
    return f"{opts.app_label}_{opts.model_name}"
