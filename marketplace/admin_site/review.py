"""The pages "Review": the rows pending review of a database, one entry of it, the confirmation.

The lists and pages of runs, quarantined records and prices lead to the confirmation, too. It does
the same as `ingest_review`, and writes who did it into the log of the admin.
"""

import json
import shlex
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeAlias

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import Error
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse

from marketplace.admin_site import elements, formatting
from marketplace.admin_site.query_validation import ROW_KEY
from marketplace.exceptions import MarketplaceError, SourceError
from marketplace.humanize import counted
from marketplace.loading.models import LoadRun
from marketplace.loading.review import records as review
from marketplace.loading.review.entries import (
    Kind,
    Section,
    Selection,
    parse_address,
    split_samples,
)
from marketplace.postgresql.errors import explain
from marketplace.registry import ALIASES

if TYPE_CHECKING:
    ModelAdmin: TypeAlias = admin.ModelAdmin[Any]
else:
    # A mixin: it is combined with a ModelAdmin.
    ModelAdmin = object

#: Rows of one action: Django accepts 1000 fields of a form by default.
ROW_LIMIT = 500

#: Records that one request loads, or deletes from quarantine. More need the command.
RECORD_LIMIT = 10_000

#: Rows that the confirmation lists, rows of an entry that are shown, and characters of a payload.
_LISTED_ROWS, _SHOWN_ROWS, _SHOWN_TEXT = 10, 3, 20_000


def may(request: HttpRequest, kind: Kind, verb: str) -> bool:
    """Return whether the user has a permission on the rows of a kind: view or change."""
    return bool(request.user.has_perm(f"{kind.alias}.{verb}_{kind.model_name}"))


class ReviewMixin(ModelAdmin):
    """A table whose rows a user can release and discard."""

    #: The kind of its rows.
    kind_name = ""

    @property
    def kind(self) -> Kind:
        """The kind of the rows in the database of the table."""
        return review.get_kind(self.opts.app_label, self.kind_name)

    def has_review_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may release and discard: this takes the change permission."""
        return may(request, self.kind, "change")

    @admin.action(description="Release (load or accept)", permissions=["review"])
    def release(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        """Release the selected rows."""
        return self._review(request, queryset, "release")

    @admin.action(description="Discard (delete permanently)", permissions=["review"])
    def discard(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        """Discard the selected rows."""
        return self._review(request, queryset, "discard")

    @admin.action(description="Restore (mark as outlier)", permissions=["review"])
    def restore(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        """Mark the selected prices as outliers again."""
        return self._review(request, queryset, "restore")

    def _review(self, request: HttpRequest, queryset: QuerySet[Any], action: str) -> HttpResponse:
        pks = list(queryset.values_list("pk", flat=True)[: ROW_LIMIT + 1])
        return _Review(request, self.kind, action, pks).respond()

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show the row, with buttons if it can be reviewed and the user may do so."""
        obj: Any = kwargs.get("obj")
        if obj and self.has_review_permission(request):
            actions = _actions(self.kind, obj.pk)
            context["review"] = _buttons(self.kind, obj.pk, actions)
        return super().render_change_form(request, context, *args, **kwargs)


def _actions(kind: Kind, pk: int) -> list[str]:
    """Return the actions that can be applied to a row."""
    return [name for name in kind.actions if kind.candidates(name).filter(pk=pk).exists()]


def _buttons(kind: Kind, pk: int, actions: list[str], reason: str = "") -> dict[str, Any]:
    """Return the variables of the buttons of a row.

    :param reason: if given, the buttons apply to all rows that are listed together for this reason
    """
    url = reverse("review", args=(kind.alias,))
    return {"url": url, "kind": kind.name, "pk": pk, "actions": actions, "reason": reason}


class _Review:
    """An action on rows of one kind that a user has chosen.

    :param reason: if given, it applies to all rows that are listed together with the first one, as
        long as this is their reason
    """

    def __init__(
        self, request: HttpRequest, kind: Kind, action: str, pks: list[int], reason: str = ""
    ) -> None:
        if action not in kind.actions:
            raise BadRequest(f"{action} is not an action on a {kind.name}.")
        if not may(request, kind, "change"):
            raise PermissionDenied
        self.request, self.kind, self.action, self.reason = request, kind, action, reason
        candidates = kind.candidates(action).filter(pk__in=pks).order_by("pk")
        self.rows = list(candidates[: ROW_LIMIT + 1])
        self.selections = review.select(kind.name, list(map(kind.address, self.rows)))
        if reason:
            # Browsers change the ends of lines.
            lines = reason.splitlines()
            self.rows = [row for row in self.rows[:1] if kind.reason(row).splitlines() == lines]
            self.selections = list(map(kind.alike, self.rows))

    def respond(self, *, is_confirmed: bool = False) -> HttpResponse:
        """Return the confirmation; if the user has confirmed, act and go to what still waits."""
        try:
            obstacle = self._obstacle()
            if not (obstacle or is_confirmed):
                return self._confirmation()
        except (MarketplaceError, Error) as error:
            obstacle = explain(error)
        if obstacle:
            messages.warning(self.request, obstacle)
        for selection in () if obstacle else self.selections:
            self._apply(selection)
        return HttpResponseRedirect(reverse("review", args=(self.kind.alias,)))

    def _confirmation(self) -> HttpResponse:
        labels = list(map(self.kind.label, self.selections))
        subject = labels[0] if len(labels) == 1 else counted(len(labels), self.kind.name)
        listed = islice(self.rows, _LISTED_ROWS)
        context = {
            "title": self.action.capitalize(),
            "question": f"{self.action.capitalize()} {subject}?",
            "note": self.kind.actions[self.action],
            "action": self.action,
            "kind": self.kind.name,
            "rows": self.rows,
            "reason": self.reason,
            "listed_rows": [(self.kind.address(row), self.kind.reason(row)) for row in listed],
            "more_count": len(self.rows) - _LISTED_ROWS,
            "url": reverse("review", args=(self.kind.alias,)),
        }
        return _render(self.request, "confirm", context)

    def _apply(self, selection: Selection) -> None:
        try:
            result = self.kind.act(self.action, selection)
        except (MarketplaceError, Error) as error:
            text = explain(error)
            messages.error(self.request, text)
        else:
            text = result.text
            level = messages.WARNING if result.is_failed else messages.SUCCESS
            messages.add_message(self.request, level, text)
            for problem in result.problems:
                messages.warning(self.request, problem)
        LogEntry.objects.create(
            user=self.request.user,  # type: ignore[misc]
            content_type=ContentType.objects.get_for_model(self.kind.rows().model),
            object_id=str(selection.pks[0]) if len(selection.pks) == 1 else None,
            object_repr=f"{self.action} {self.kind.name} {self.kind.subject(selection)}",
            action_flag=DELETION if self.action == "discard" else CHANGE,
            change_message=text,
        )

    def _obstacle(self) -> str:
        """Return why a request cannot perform the action; empty if it can.

        A failed run is not loaded again by a request, because it may exceed the memory or the time
        of the server again.
        """
        if not self.rows:
            return f"None of the selected rows can be {self.action.rstrip('e')}ed."
        is_release, first = self.action == "release", self.selections[0]
        more = " …" if len(self.rows) > 1 else ""
        words = f"{self.kind.name} {self.kind.address(self.rows[0])}{more}"
        if first.reason:
            words = f"records --platform {first.platform} --reason {shlex.quote(first.reason)}"
        command = f"python manage.py ingest_review {self.action} {words}"
        if len(self.rows) > ROW_LIMIT:
            return f"At most {counted(ROW_LIMIT, 'row')} at once. For more, run {command}."
        for row in self.rows if is_release and self.kind.name == "run" else ():
            if row.status == LoadRun.Status.FAILED:
                words = f"run {self.kind.address(row)}"
                command = f"python manage.py ingest_review release {words}"
                return f"The {words} failed. To load it again, run {command}."
        count = sum(map(self.kind.count, self.selections))
        if count > RECORD_LIMIT and (is_release or self.kind.name == "record"):
            return f"{counted(count, 'record')} are too many for a request. Run {command}."
        return ""


# Pages


def waiting_page(request: HttpRequest, app_label: str) -> HttpResponse:
    """List the rows of a database to review. A POST asks to confirm an action, or performs it."""
    kinds = _visible_kinds(request, app_label)
    if request.method == "POST":
        return _post(request, app_label)
    sections = [
        _section(request, kind, section)
        for kind in kinds
        for section in kind.sections("", show_all=False)
    ]
    title = f"Review: {app_label}"
    return _render(request, "waiting", {"title": title, "sections": sections})


def _section(request: HttpRequest, kind: Kind, section: Section) -> dict[str, Any]:
    listed = [entry for entry in section.entries[: review.MAX_GROUPS] if entry.ids]
    pks = [parse_address(entry.ids[0]).pk for entry in listed]
    actions = _actions(kind, pks[0]) if pks and may(request, kind, "change") else []
    return {
        "title": section.title,
        "total": formatting.number(section.total),
        "more": section.more + len(section.entries) - len(listed),
        "entries": [
            {
                "name": " ".join([section.kind, *entry.ids]),
                "url": reverse("review_entry", args=(kind.alias, kind.name, entry.ids[0])),
                "summary": f"{counted(entry.records, 'record')} of {entry.source}, since "
                f"{formatting.format_time(entry.since)}",
                "reasons": entry.reasons,
                "review": _buttons(kind, pk, actions, "\n".join(entry.reasons)),
            }
            for pk, entry in zip(pks, listed, strict=True)
        ],
    }


def entry_page(request: HttpRequest, app_label: str, kind_name: str, name: str) -> HttpResponse:
    """Show an entry of the list, with its newest records: a run, a price, or records alike."""
    kinds = {kind.name: kind for kind in _visible_kinds(request, app_label)}
    try:
        kind = kinds[kind_name]
        row = kind.get(parse_address(name))
    except (KeyError, SourceError):
        raise Http404(f"{kind_name} {name} does not exist.") from None
    selection, is_waiting = kind.alike(row), kind.waiting().filter(pk=row.pk).exists()
    actions = _actions(kind, row.pk) if may(request, kind, "change") else []
    newest = kind.select(selection).order_by("-pk")[:_SHOWN_ROWS]
    context = {
        "title": f"{kind.name} {name}",
        "label": kind.label(selection) if is_waiting else "",
        "reasons": kind.reason(row).splitlines(),
        "rows": [_row(kind, other) for other in newest],
        "review": _buttons(kind, row.pk, actions, kind.reason(row)),
        "list_url": reverse("review", args=(app_label,)),
    }
    return _render(request, "waiting_entry", context)


def _row(kind: Kind, row: Any) -> dict[str, Any]:
    """Return the variables of a row: a link to its page, its short values, its first records."""
    values, samples = split_samples(kind.describe(row))
    short = ((key, value) for key, value in values.items() if not isinstance(value, dict | list))
    return {
        "link": elements.admin_link(row, f"{kind.name} {kind.address(row)}"),
        "short_values": [
            (formatting.label(key), formatting.format_time(value) if key.endswith("_at") else value)
            for key, value in short
            if value
        ],
        "samples": [(title, elements.preformatted(_text(payload))) for title, payload in samples],
    }


def _post(request: HttpRequest, alias: str) -> HttpResponse:
    """Answer a form of these pages or of the page of a row."""
    values = request.POST
    pks = values.getlist("pk")
    if not all(map(ROW_KEY.fullmatch, pks)):
        raise BadRequest("A selected row is not the key of a row.")
    try:
        kind = review.get_kind(alias, values.get("kind", ""))
    except SourceError as error:
        raise BadRequest(str(error)) from None
    action, reason = values.get("action", ""), values.get("reason", "")
    chosen = _Review(request, kind, action, list(map(int, pks)), reason)
    return chosen.respond(is_confirmed=bool(values.get("confirmed")))


def _visible_kinds(request: HttpRequest, alias: str) -> list[Kind]:
    """Return the kinds of rows that the user may view.

    :raises PermissionDenied: if there are none
    """
    if alias not in ALIASES:
        raise Http404
    kinds = [kind for kind in review.kinds_of(alias) if may(request, kind, "view")]
    if not kinds:
        raise PermissionDenied
    return kinds


def _text(payload: Any) -> str:
    """Return a payload as text, cut if it is long."""
    text = (
        payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False, indent=2)
    )
    return text if len(text) <= _SHOWN_TEXT else f"{text[:_SHOWN_TEXT]}\n… cut off"


def _render(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    values = admin.site.each_context(request) | context
    return TemplateResponse(request, f"admin/marketplace/{template}.html", values)


urls = [
    path("<str:app_label>/review/", admin.site.admin_view(waiting_page), name="review"),
    path(
        "<str:app_label>/review/<str:kind_name>/<str:name>/",
        admin.site.admin_view(entry_page),
        name="review_entry",
    ),
]
