"""The overview, the page of databases, the navigation of all pages, their styles and scripts.

The functions that take a request are callbacks of UNFOLD, a setting of
`marketplace.configuration.admin_pages`.
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth import get_permission_codename
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.urls import path, reverse
from django.utils import timezone
from django.utils.text import capfirst

from marketplace.admin_site import elements, formatting
from marketplace.admin_site.question_panels import panels_for
from marketplace.admin_site.review import may
from marketplace.humanize import age, counted, file_size
from marketplace.loading.review.records import kinds_of
from marketplace.monitoring.status import DatabaseStatus, Freshness, LastRun, get_statuses
from marketplace.questions.panels import OVERVIEW
from marketplace.registry import ALIASES, DATABASES, get_database, get_platform


def stylesheet(request: HttpRequest) -> str:
    """Return the URL of the style sheet of the project's own elements."""
    return static("marketplace/admin.css")


def theme(request: HttpRequest) -> str:
    """Return the URL of the style sheet with the colors of unfold."""
    return static("marketplace/theme.css")


def colors(request: HttpRequest) -> dict[str, dict[str, str]]:
    """Return no colors for unfold to write into each page: a style sheet has them."""
    return {}


def script(request: HttpRequest) -> str:
    """Return the URL of the script for all pages."""
    return static("marketplace/pages.js")


def chart_script(request: HttpRequest) -> str:
    """Return the URL of the script that draws charts."""
    return static("marketplace/charts.js")


def favicon(request: HttpRequest) -> str:
    """Return the URL of the favicon."""
    return static("marketplace/favicon.svg")


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the panels of questions, and how fresh the data of each database is.

    The page also opens if some of the databases are down.
    """
    return context | {
        "title": "Overview",
        "databases": _cards(request),
        "question_panels": panels_for(request, OVERVIEW),
        "search_url": reverse("question", args=("ecommerce", "compare"))
        if request.user.has_module_perms("ecommerce")
        else "",
    }


def databases_page(request: HttpRequest) -> HttpResponse:
    """Show the status of each database: sizes, rows, loads and backups."""
    context = {"title": "Databases", "databases": _cards(request)}
    return TemplateResponse(
        request, "admin/marketplace/databases.html", admin.site.each_context(request) | context
    )


def _cards(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the status of each database in which the account may view a table."""
    tables = {alias: _tables(request, alias) for alias in ALIASES}
    visible = [alias for alias in ALIASES if tables[alias]]
    lists = {
        model._meta.db_table: _list_url(model)
        for model, model_admin in admin.site._registry.items()
        if model_admin.has_view_permission(request)
    }
    now = timezone.now()
    return [
        _card(_permitted(status, tables[status.alias]), lists, now) | _waiting(request, status)
        for status in (get_statuses(visible) if visible else ())
    ]


def _waiting(request: HttpRequest, status: DatabaseStatus) -> dict[str, Any]:
    """Return the address of the page of what is pending review, and how many rows are."""
    kinds = [kind for kind in kinds_of(status.alias) if may(request, kind, "view")]
    count = sum(status.waiting.get(kind.name, 0) for kind in kinds)
    text = f"{formatting.number(count)} waiting for review" if count else "Waiting for review: none"
    return {
        "review_url": reverse("review", args=(status.alias,)) if kinds else "",
        "review_text": text if status.waiting else "Waiting for review",
    }


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return groups of links: the first pages, the tables of each database, the accounts."""
    groups: list[dict[str, Any]] = [
        {
            "title": apps.get_app_config(database.alias).verbose_name,
            "separator": True,
            "collapsible": True,
            "items": [
                *_review_items(request, database.alias),
                *_items(request, database.alias),
            ],
        }
        for database in DATABASES
    ]
    front = [
        {"title": "Overview", "icon": "home", "link": reverse("admin:index")},
        {"title": "Questions", "icon": "quiz", "link": reverse("questions")},
        {"title": "Databases", "icon": "database", "link": reverse("databases")},
    ]
    accounts = {
        "title": "Accounts",
        "separator": True,
        "items": [*_items(request, "auth"), *_items(request, "marketplace")],
    }
    return [{"items": front}, *(group for group in [*groups, accounts] if group["items"])]


def _items(request: HttpRequest, label: str) -> Iterator[dict[str, Any]]:
    # The apps register their tables in the order of the navigation.
    for model, model_admin in admin.site._registry.items():
        if model._meta.app_label == label and model_admin.has_view_permission(request):
            name = getattr(model_admin, "nav_title", "") or model._meta.verbose_name_plural
            icon = getattr(model_admin, "icon", "table_rows")
            yield {"title": capfirst(str(name)), "icon": icon, "link": _list_url(model)}


def _review_items(request: HttpRequest, alias: str) -> Iterator[dict[str, Any]]:
    if any(may(request, kind, "view") for kind in kinds_of(alias)):
        url = reverse("review", args=(alias,))
        yield {"title": "Review", "icon": "rule", "link": url}


def _list_url(model: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def _tables(request: HttpRequest, alias: str) -> set[str]:
    """Return the names of the tables that the account may view, without the app's prefix."""
    return {
        model._meta.db_table.removeprefix(f"{alias}_")
        for model in apps.get_app_config(alias).get_models()
        if request.user.has_perm(f"{alias}.{get_permission_codename('view', model._meta)}")
    }


def _permitted(status: DatabaseStatus, tables: Collection[str]) -> DatabaseStatus:
    """Return the status without facts about tables that are not in `tables`."""
    rows = {name: count for name, count in status.rows.items() if name in tables}
    status = status._replace(rows=rows)
    if "quarantine" not in tables:
        status = status._replace(quarantined=None)
    if "load_runs" not in tables:
        status = status._replace(platforms=(), runs=(), freshness=())
    return status


def _card(status: DatabaseStatus, lists: dict[str, str], now: datetime) -> dict[str, Any]:
    """Return the template variables of a database.

    :param lists: the URLs of the lists that the account may view, by table
    """
    alias = status.alias
    runs = {run.platform: run for run in status.runs}
    freshness = {fresh.platform: fresh for fresh in status.freshness}
    return {
        "kind": get_database(alias).kind,
        "status": status,
        "badge": elements.badge("Connected" if status.is_connected else "Unreachable"),
        "size": formatting.DASH if status.size_bytes is None else file_size(status.size_bytes),
        "backup": formatting.format_time(status.last_backup_at),
        "rows": [
            (name.replace("_", " "), formatting.number(count), lists.get(f"{alias}_{name}", ""))
            for name, count in status.rows.items()
        ],
        "runs": [_run(name, runs.get(name), freshness.get(name), now) for name in status.platforms],
        "runs_url": lists.get(f"{alias}_load_runs", ""),
        "quarantined": formatting.DASH
        if status.quarantined is None
        else counted(status.quarantined, "record"),
        "quarantine_url": lists.get(f"{alias}_quarantine", ""),
    }


def _run(
    platform: str, run: LastRun | None, freshness: Freshness | None, now: datetime
) -> dict[str, Any]:
    """Return the variables for the last load of a platform and the age of its data."""
    title = get_platform(platform).title
    if run is None:
        return {"platform": title}
    at = run.finished_at or run.started_at
    return {
        "platform": title,
        "run": run,
        "badge": elements.badge(run.status.capitalize()),
        "at": formatting.format_time(at),
        "age": _age(at, now),
        "observed": _age(freshness.observed_at if freshness else None, now),
        "loaded": _age(freshness.loaded_at if freshness else None, now),
        "changed": _age(freshness.changed_at if freshness else None, now),
        "counts": [
            (name, formatting.number(count))
            for name, count in (
                ("read", run.read),
                ("created", run.created),
                ("updated", run.updated),
                ("rejected", run.rejected),
            )
        ],
    }


def _age(at: datetime | None, now: datetime) -> str:
    return age(at, now) if at else "never"


urls = [path("databases/", admin.site.admin_view(databases_page), name="databases")]
