"""The front page of the admin, and the navigation beside every page."""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth import get_permission_codename
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst

from marketplace.admin_site import formatting as show
from marketplace.humanize import counted
from marketplace.monitoring.status import DatabaseStatus, Freshness, LastRun, get_statuses
from marketplace.registry import ALIASES, DATABASES, get_database, get_platform


def stylesheet(request: HttpRequest) -> str:
    """Return the address of the style sheet of our own elements."""
    return static("marketplace/admin.css")


def theme(request: HttpRequest) -> str:
    """Return the address of the style sheet of unfold's colors."""
    return static("marketplace/theme.css")


def colors(request: HttpRequest) -> dict[str, dict[str, str]]:
    """Return the colors that unfold writes into each page: none, as they are in a style sheet."""
    return {}


def script(request: HttpRequest) -> str:
    """Return the address of the script of our own elements."""
    return static("marketplace/pictures.js")


def favicon(request: HttpRequest) -> str:
    """Return the address of the tab's picture."""
    return static("marketplace/favicon.svg")


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the state of each database of which the account may view a table.

    The page opens whatever of them is down.
    """
    tables = {alias: _tables(request, alias) for alias in ALIASES}
    visible = [alias for alias in ALIASES if tables[alias]]
    lists = {
        model._meta.db_table: _list_url(model)
        for model, model_admin in admin.site._registry.items()
        if model_admin.has_view_permission(request)
    }
    now = timezone.now()
    cards = [
        _card(_readable(status, tables[status.alias]), lists, now)
        for status in (get_statuses(visible) if visible else ())
    ]
    return context | {"databases": cards, "title": "Databases"}


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the groups of links: the front page, one group a database, the accounts."""
    groups: list[dict[str, Any]] = [
        {
            "title": apps.get_app_config(database.alias).verbose_name,
            "separator": True,
            "collapsible": True,
            "items": list(_items(request, database.alias)),
        }
        for database in DATABASES
    ]
    front = {"title": "Databases", "icon": "database", "link": reverse("admin:index")}
    accounts = {"title": "Accounts", "separator": True, "items": list(_items(request, "auth"))}
    return [{"items": [front]}, *(group for group in [*groups, accounts] if group["items"])]


def _items(request: HttpRequest, label: str) -> Iterator[dict[str, Any]]:
    # In the order in which the app registered them: the order in which people need them.
    for model, model_admin in admin.site._registry.items():
        if model._meta.app_label == label and model_admin.has_view_permission(request):
            name = getattr(model_admin, "nav_title", "") or model._meta.verbose_name_plural
            icon = getattr(model_admin, "icon", "table_rows")
            yield {"title": capfirst(str(name)), "icon": icon, "link": _list_url(model)}


def _list_url(model: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def _tables(request: HttpRequest, alias: str) -> set[str]:
    """Return the database's tables that the account may view, without the app's prefix."""
    return {
        model._meta.db_table.removeprefix(f"{alias}_")
        for model in apps.get_app_config(alias).get_models()
        if request.user.has_perm(f"{alias}.{get_permission_codename('view', model._meta)}")
    }


def _readable(status: DatabaseStatus, tables: Collection[str]) -> DatabaseStatus:
    """Return the status without the facts about other tables."""
    rows = {name: count for name, count in status.rows.items() if name in tables}
    status = status._replace(rows=rows)
    if "quarantine" not in tables:
        status = status._replace(quarantined=None)
    if "load_runs" not in tables:
        status = status._replace(platforms=(), runs=(), freshness=())
    return status


def _card(status: DatabaseStatus, lists: dict[str, str], now: datetime) -> dict[str, Any]:
    alias = status.alias
    runs = {run.platform: run for run in status.runs}
    freshness = {fresh.platform: fresh for fresh in status.freshness}
    return {
        "kind": get_database(alias).kind,
        "status": status,
        "badge": show.badge("Connected" if status.is_connected else "Unreachable"),
        "size": show.size(status.size_bytes),
        "backup": show.format_time(status.last_backup_at),
        "rows": [
            (name.replace("_", " "), show.number(count), lists.get(f"{alias}_{name}", ""))
            for name, count in status.rows.items()
        ],
        "runs": [_run(name, runs.get(name), freshness.get(name), now) for name in status.platforms],
        "runs_url": lists.get(f"{alias}_load_runs", ""),
        "quarantined": show.DASH
        if status.quarantined is None
        else counted(status.quarantined, "record"),
        "quarantine_url": lists.get(f"{alias}_quarantine", ""),
    }


def _run(
    platform: str, run: LastRun | None, freshness: Freshness | None, now: datetime
) -> dict[str, Any]:
    """Return what the card says of a platform's last load and of how fresh its data are."""
    title = get_platform(platform).title
    if run is None:
        return {"platform": title}
    at = run.finished_at or run.started_at
    return {
        "platform": title,
        "run": run,
        "badge": show.badge(run.status.capitalize()),
        "at": show.format_time(at),
        "age": _age(at, now),
        "observed": _age(freshness.observed_at if freshness else None, now),
        "loaded": _age(freshness.loaded_at if freshness else None, now),
        "changed": _age(freshness.changed_at if freshness else None, now),
        "counts": [
            (name, show.number(count))
            for name, count in (
                ("read", run.read),
                ("created", run.created),
                ("updated", run.updated),
                ("rejected", run.rejected),
            )
        ],
    }


def _age(at: datetime | None, now: datetime) -> str:
    return f"{show.duration(now - at)} ago" if at else "never"
