"""Throttling of logins: the counts of failures, the IP address of a client, the page of a lock.

django-axes stores failures in the database `default`. Logins are rejected for `AXES_COOLOFF_TIME`
after `AXES_FAILURE_LIMIT` failures of one account from one IP address, or `ADDRESS_FAILURE_LIMIT`
failures of any accounts from one IP address. An account is never locked for all addresses, because
an attacker could lock its owner out that way.
"""

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_cool_off
from django.conf import settings
from django.contrib import admin
from django.db.models import Max, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from marketplace.admin_site import formatting
from marketplace.humanize import duration

#: Failures of any accounts from one IP address, which an office may share, until it is locked.
ADDRESS_FAILURE_LIMIT = 50

#: Length of the column of account names in the table of failures.
_NAME_LENGTH = 255

Credentials = Mapping[str, Any] | None


class LoginThrottle(AxesDatabaseHandler):  # type: ignore[misc]
    """Counts the failures of an account from an address and those of the address separately.

    AXES_LOCKOUT_PARAMETERS names these two in this order. django-axes has one limit for both.
    """

    def get_failures(self, request: HttpRequest, credentials: Credentials = None) -> int:
        """Return the number of failures: AXES_FAILURE_LIMIT or more mean that the login is locked.

        Sets `login_opens_at` of the request to the end of the lock.
        """
        of_account, of_address = map(_count, self.get_user_attempts(request, credentials))
        limits = ((of_account, settings.AXES_FAILURE_LIMIT), (of_address, ADDRESS_FAILURE_LIMIT))
        locks = [last_at for (failures, last_at), limit in limits if failures >= limit]
        if locks:
            request.login_opens_at = max(locks) + get_cool_off(request)  # type: ignore[attr-defined]
            return max(of_account[0], int(settings.AXES_FAILURE_LIMIT))
        return of_account[0]

    def reset_user_attempts(self, request: HttpRequest, credentials: Credentials = None) -> int:
        """Delete the failures of an account from its address after a login; return their number.

        Failures of other accounts remain, so that a login does not reset an attack on them.
        """
        of_account, _ = self.filter_user_attempts(request, credentials)
        count, _ = of_account.delete()
        return int(count)


def account_name(request: HttpRequest, credentials: Credentials = None) -> str | None:
    """Return the submitted account name, cut to the length of its column; None without one."""
    name = (request.POST if credentials is None else credentials).get("username")
    return None if name is None else str(name)[:_NAME_LENGTH]


def client_address(request: HttpRequest) -> str | None:
    """Return the IP address of the client, or the /64 network of an IPv6 address.

    Behind TRUSTED_PROXIES proxies, this is the entry of X-Forwarded-For that the first of them
    added: the client may have written the entries before it. Without proxies the header is
    ignored. Return None if the address is unknown.
    """
    text = request.META.get("REMOTE_ADDR", "")
    entries = [*filter(str.strip, request.META.get("HTTP_X_FORWARDED_FOR", "").split(","))]
    if 0 < settings.TRUSTED_PROXIES <= len(entries):
        text = entries[-settings.TRUSTED_PROXIES]
    try:
        address = ip_address(text.strip())
    except ValueError:
        # A proxy that connects by a Unix socket and sends no header.
        return None
    if isinstance(address, IPv6Address):
        # A client usually controls a whole /64 network.
        return str(address.ipv4_mapped or IPv6Address(int(address) >> 64 << 64))
    return str(address)


def locked_page(
    request: HttpRequest, original: HttpResponse | None, credentials: Credentials
) -> HttpResponse:
    """Return the page of a locked login, with status 429 and the end of the lock."""
    opens_at = request.login_opens_at  # type: ignore[attr-defined]
    wait = opens_at - timezone.now()
    context = admin.site.each_context(request) | {
        "title": "Too many failed logins",
        "opens_at": formatting.format_time(opens_at),
        "wait": duration(wait),
    }
    page = render(request, "admin/marketplace/locked.html", context, status=429)
    page["Retry-After"] = max(int(wait.total_seconds()), 1)
    return page


def _count(attempts: "QuerySet[Any]") -> tuple[int, Any]:
    """Return the number of failures and the time of the last one, or 0 and None."""
    row = attempts.aggregate(failures=Sum("failures_since_start"), last_at=Max("attempt_time"))
    return row["failures"] or 0, row["last_at"]
