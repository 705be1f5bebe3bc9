"""The monitoring endpoints: `/healthz`, `/readyz` and `/metrics`.

They do not use sessions, logins or cookies, and are read-only.
"""

from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from marketplace.databases.health import get_health
from marketplace.databases.names import ALL_ALIASES
from marketplace.monitoring.metrics import render
from marketplace.postgresql.errors import Remark

#: Headers of requests that a proxy forwards.
_FORWARDED = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_REAL_IP")


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """Respond that the process is alive, without querying a database."""
    return JsonResponse({"status": "alive"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """Report the readiness of each database within two seconds: 200 if all are ready, else 503.

    `?database=ALIAS`, which may be repeated, selects databases. Old data is only a warning.
    """
    aliases = request.GET.getlist("database") or list(ALL_ALIASES)
    if unknown := [alias for alias in aliases if alias not in ALL_ALIASES]:
        names = ", ".join(ALL_ALIASES)
        error = f"The database {unknown[0]!r} does not exist. Databases: {names}."
        return JsonResponse({"error": error}, status=400)
    now, health = timezone.now(), get_health(aliases)
    is_ready = all(database.is_ready for database in health)
    body = {
        "status": "ready" if is_ready else "not ready",
        "databases": {
            database.alias: {
                "status": "ready" if database.is_ready else "not ready",
                "reasons": _as_json(database.reasons),
                "warnings": _as_json(database.warnings(now)),
                "loaded_at": database.loaded_at,
                "observed_at": database.observed_at,
            }
            for database in health
        },
    }
    return JsonResponse(body, status=200 if is_ready else 503, json_dumps_params={"indent": 2})


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics: with METRICS_TOKEN; without one, only to requests of this machine."""
    if not _may_read_metrics(request):
        text = (
            "Send METRICS_TOKEN: Authorization: Bearer …; if it is not set, send the request from "
            "this machine.\n"
        )
        return HttpResponse(text, status=403, content_type="text/plain; charset=utf-8")
    return HttpResponse(render(), content_type=CONTENT_TYPE_LATEST)


#: Handled before other middleware: see `marketplace.admin_site.middleware.MonitoringMiddleware`.
VIEWS: dict[str, Callable[[HttpRequest], HttpResponseBase]] = {
    "/healthz": healthz,
    "/readyz": readyz,
    "/metrics": metrics,
}


def _may_read_metrics(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        is_equal = constant_time_compare(token.strip(), settings.METRICS_TOKEN)
        return scheme.lower() == "bearer" and is_equal
    # A proxy on this machine may forward requests of other machines.
    if any(name in request.META for name in _FORWARDED):
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _as_json(remarks: Iterable[Remark]) -> list[dict[str, Any]]:
    return [remark._asdict() for remark in remarks]
