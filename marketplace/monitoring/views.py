"""The addresses that machines ask: `/healthz`, `/readyz`, `/metrics`.

They have no session and no login, touch no cookie, and change nothing.
"""

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from marketplace.databases.names import ALL_ALIASES
from marketplace.monitoring.metrics import render
from marketplace.monitoring.readiness import Remark, get_readiness

#: Headers by which a proxy tells that it asks for somebody else.
_FORWARDED = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_REAL_IP")


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that the process is alive. Asks no database."""
    return JsonResponse({"status": "alive"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether each database can do its work: 200 if all can, else 503, within two seconds.

    `?database=ALIAS`, once or several times, asks for those only. Old data are a warning.
    """
    aliases = request.GET.getlist("database") or list(ALL_ALIASES)
    if unknown := [alias for alias in aliases if alias not in ALL_ALIASES]:
        known = ", ".join(ALL_ALIASES)
        error = f"There is no database {unknown[0]!r}. Databases: {known}."
        return JsonResponse({"error": error}, status=400)
    now, readiness = timezone.now(), get_readiness(aliases)
    is_ready = all(each.is_ready for each in readiness)
    body = {
        "status": "ready" if is_ready else "not ready",
        "databases": {
            each.alias: {
                "status": "ready" if each.is_ready else "not ready",
                "reasons": _plain(each.reasons),
                "warnings": _plain(each.warnings(now)),
                "loaded_at": each.loaded_at,
                "observed_at": each.observed_at,
            }
            for each in readiness
        },
    }
    return JsonResponse(body, status=200 if is_ready else 503, json_dumps_params={"indent": 2})


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Give Prometheus its numbers: with METRICS_TOKEN, or without one to this machine only."""
    if not _may_read_metrics(request):
        text = "Send METRICS_TOKEN: Authorization: Bearer …; without one, ask from this machine.\n"
        return HttpResponse(text, status=403, content_type="text/plain; charset=utf-8")
    return HttpResponse(render(), content_type=CONTENT_TYPE_LATEST)


#: Answered before anything else: see `marketplace.admin_site.middleware.MonitoringMiddleware`.
VIEWS: dict[str, Callable[[HttpRequest], HttpResponseBase]] = {
    "/healthz": healthz,
    "/readyz": readyz,
    "/metrics": metrics,
}


def _may_read_metrics(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        is_ours = constant_time_compare(token.strip(), settings.METRICS_TOKEN)
        return scheme.lower() == "bearer" and is_ours
    # A proxy on this machine asks for the whole world.
    if any(name in request.META for name in _FORWARDED):
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _plain(remarks: "tuple[Remark, ...] | list[Remark]") -> list[dict[str, Any]]:
    return [remark._asdict() for remark in remarks]
