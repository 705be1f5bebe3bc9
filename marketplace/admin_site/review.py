"""Review of runs and quarantined records: release and discard, from lists and from pages of rows.

Both are actions of the list, which the page of a row calls, too. They ask for a confirmation and
then do the same as `ingest_review`.
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
from django.utils.text import capfirst

from marketplace.exceptions import MarketplaceError
from marketplace.humanize import counted
from marketplace.loading import review, run_review
from marketplace.loading.addresses import Address, waiting_runs
from marketplace.loading.models import LoadRun
from marketplace.postgresql.errors import explain

if TYPE_CHECKING:
    ModelAdmin: TypeAlias = admin.ModelAdmin[Any]
else:
    # A mixin: it is combined with a ModelAdmin.
    ModelAdmin = object

#: Rows of one action: Django accepts 1000 fields of a form by default.
ROW_LIMIT = 500

#: Held records that one request loads. More need the command.
HELD_LIMIT = 10_000

#: Rows that the confirmation page lists.
_LISTED_ROWS = 10


class Result(NamedTuple):
    """A message about the outcome of an action.

    :param level: such as messages.SUCCESS
    """

    level: int
    text: str


class ReviewMixin(ModelAdmin):
    """A table whose rows a user can release or discard."""

    #: Name of a row in the arguments of `ingest_review`.
    kind = ""

    def has_review_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may release and discard: this takes the change permission."""
        codename = get_permission_codename("change", self.opts)
        return request.user.has_perm(f"{self.opts.app_label}.{codename}")

    @admin.action(description="Release (load now)", permissions=["review"])
    def release(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Load the selected rows."""
        return self._review(request, queryset, "release")

    @admin.action(description="Discard (delete permanently)", permissions=["review"])
    def discard(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Delete the selected rows."""
        return self._review(request, queryset, "discard")

    # Hooks of the tables.

    def reviewable(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows that can be released or discarded."""
        return rows

    def obstacle(self, verb: str, rows: list[Any]) -> str:
        """Return why the rows cannot be released or discarded here, or an empty string."""
        command = f"python manage.py ingest_review {verb} {self.kind}"
        if not rows:
            return f"None of the selected rows can be {verb}d."
        if len(rows) > ROW_LIMIT:
            return f"At most {ROW_LIMIT:,} rows can be {verb}d at once. For more, run {command}."
        return ""

    def question(self, verb: str, rows: list[Any]) -> str:
        """Return the question of the confirmation page."""
        raise NotImplementedError

    def describe(self, row: Any) -> str:
        """Return the source of a row and the reason why it needs a review."""
        raise NotImplementedError

    def apply(self, verb: str, alias: str, rows: list[Any]) -> Iterator[Result]:
        """Release or discard the rows, and yield the results.

        :raises MarketplaceError: if that is not possible
        """
        raise NotImplementedError

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show the row, with buttons if it can be reviewed and the user may do so."""
        obj: Any = kwargs.get("obj")
        rows = self.model._default_manager.filter(pk=obj.pk) if obj else None
        if (
            rows is not None
            and self.has_review_permission(request)
            and self.reviewable(rows).exists()
        ):
            context |= {
                "review_url": reverse(f"admin:{_name(self.opts)}_changelist"),
                "review_name": f"{self.kind} {obj.platform}-{obj.pk}",
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def _review(
        self, request: HttpRequest, queryset: QuerySet[Any], verb: str
    ) -> HttpResponse | None:
        reviewable = self.reviewable(queryset).order_by("platform", "pk")
        rows = list(reviewable[: ROW_LIMIT + 1])
        obstacle = self.obstacle(verb, rows)
        if obstacle:
            self.message_user(request, obstacle, messages.WARNING)
        elif request.POST.get("confirmed"):
            for result in self._apply(verb, rows):
                self.message_user(request, result.text, result.level)
        else:
            return self._confirm(request, verb, rows)
        return None

    def _apply(self, verb: str, rows: list[Any]) -> Iterator[Result]:
        try:
            yield from self.apply(verb, self.opts.app_label, rows)
        except (MarketplaceError, Error) as error:
            yield Result(messages.ERROR, explain(error))

    def _confirm(self, request: HttpRequest, verb: str, rows: list[Any]) -> HttpResponse:
        context = {
            **admin.site.each_context(request),
            "opts": self.opts,
            "title": verb.capitalize(),
            "verb": verb,
            "question": self.question(verb, rows),
            "listed_rows": [
                (f"{row.platform}-{row.pk}", self.describe(row)) for row in rows[:_LISTED_ROWS]
            ],
            "more_count": len(rows) - _LISTED_ROWS,
            "rows": rows,
            "list_url": reverse(f"admin:{_name(self.opts)}_changelist"),
        }
        return TemplateResponse(request, "admin/marketplace/confirm.html", context)


class RunReviewMixin(ReviewMixin):
    """Load runs: held runs can be released or discarded, failed runs can be discarded."""

    kind = "run"

    def reviewable(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the held runs, and the failed runs that still have records to load."""
        return rows.filter(pk__in=waiting_runs(self.opts.app_label).values("pk"))

    def obstacle(self, verb: str, rows: list[Any]) -> str:
        """Return why the runs cannot be released or discarded here, or an empty string.

        A run with many held records takes too long for a request. A failed run is not loaded again
        by a request, because it may exceed the memory or the time of the server again.
        """
        if not rows:
            return (
                "None of the selected runs can be released or discarded. Select held runs, or "
                "failed runs that still have records to load."
            )
        failed = [run for run in rows if run.status == LoadRun.Status.FAILED]
        if verb == "release" and failed:
            return (
                f"{capfirst(str(failed[0]))} failed. To load it again, run python manage.py "
                f"ingest_review release {failed[0]}."
            )
        large = [run for run in rows if run.held_count > HELD_LIMIT]
        if verb == "release" and large:
            return (
                f"{large[0]} holds {counted(large[0].held_count, 'record')}, too many to load "
                "in a request. Run python manage.py ingest_review release run "
                f"{large[0].platform}-{large[0].pk}."
            )
        return super().obstacle(verb, rows)

    def question(self, verb: str, rows: list[Any]) -> str:
        """Return the question, with the number of records."""
        is_failed = any(run.status == LoadRun.Status.FAILED for run in rows)
        remaining = sum(run_review.count_waiting(self.opts.app_label, run) for run in rows)
        held = counted(remaining, "record" if is_failed else "held record")
        runs = counted(len(rows), "run")
        if verb == "release":
            return f"Load {held} of {runs} now, regardless of the gates?"
        return f"Delete {held} of {runs} permanently? Records that are already loaded are kept."

    def describe(self, row: Any) -> str:
        """Return the source of the run and why it is held or failed."""
        return f"{row.source}: {row.error}"

    def apply(self, verb: str, alias: str, rows: list[Any]) -> Iterator[Result]:
        """Release or discard the runs one by one."""
        for run in rows:
            address = Address(alias, run.platform, run.pk)
            if verb == "discard":
                held = counted(run_review.discard_run(address), "record")
                yield Result(messages.SUCCESS, f"Discarded {held} of run {address}.")
                continue
            held = counted(run_review.check_waiting(address), "record")
            summary = run_review.release_run(address)
            yield Result(
                messages.SUCCESS,
                f"Released {held} of run {address}: {summary.created:,} created, "
                f"{summary.updated:,} updated, {summary.unchanged:,} unchanged, "
                f"{summary.rejected:,} rejected.",
            )
            for failure in summary.source_errors:
                yield Result(messages.ERROR, failure)


class RecordReviewMixin(ReviewMixin):
    """Quarantined records: they can be loaded again or deleted."""

    kind = "record"

    def question(self, verb: str, rows: list[Any]) -> str:
        """Return the question, with the number of records."""
        records = counted(len(rows), "quarantined record")
        if verb == "release":
            return f"Load {records} again? Records that are rejected again stay in quarantine."
        return f"Delete {records} permanently? To get the data back, load the source again."

    def describe(self, row: Any) -> str:
        """Return the source of the record and why it is in quarantine."""
        return f"{row.source}: {f'{row.field}: ' if row.field else ''}{row.reason}"

    def apply(self, verb: str, alias: str, rows: list[Any]) -> Iterator[Result]:
        """Release or discard the records of each platform."""
        for platform, records in groupby(rows, key=lambda row: row.platform):
            selection = review.Selection(alias, platform, tuple(row.pk for row in records))
            if verb == "discard":
                deleted = counted(review.discard_records(selection), "record")
                yield Result(messages.SUCCESS, f"Discarded {deleted} of {platform}.")
                continue
            loaded, rejected, _ = review.release_records(selection)
            if loaded:
                text = f"Released {counted(loaded, 'record')} of {platform}."
                yield Result(messages.SUCCESS, text)
            if rejected:
                text = f"{counted(rejected, 'record')} of {platform} could not be loaded."
                yield Result(messages.WARNING, f"{text} See the reasons in the list.")


def _name(opts: Any) -> str:
    return f"{opts.app_label}_{opts.model_name}"
