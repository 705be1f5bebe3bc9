"""Throttling of logins: how failures are counted, whose they are, and the page of a locked login.

django-axes keeps the failures in the control database. A login is locked for `AXES_COOLOFF_TIME`
after `AXES_FAILURE_LIMIT` failures of one account from one address, or `ADDRESS_FAILURE_LIMIT`
failures of any accounts from one address. No account is locked for every address: a stranger could
keep its owner out that way.
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

from marketplace.admin_site import formatting as show

#: Failures of any accounts from one address that lock it: an office may share one address.
ADDRESS_FAILURE_LIMIT = 50

#: Characters of a name in the table of failures.
_NAME_LENGTH = 255

Credentials = Mapping[str, Any] | None


class LoginThrottle(AxesDatabaseHandler):  # type: ignore[misc]
    """Counts failures of an account from an address, and of the address, with a limit for each.

    AXES_LOCKOUT_PARAMETERS name these two in this order; django-axes has one limit for both.
    """

    def get_failures(self, request: HttpRequest, credentials: Credentials = None) -> int:
        """Return the failures that count: AXES_FAILURE_LIMIT or more lock the login.

        The time at which a locked login is open again is kept with the request.
        """
        by_both, by_address = map(_count, self.get_user_attempts(request, credentials))
        limits = ((by_both, settings.AXES_FAILURE_LIMIT), (by_address, ADDRESS_FAILURE_LIMIT))
        locks = [last_at for (failures, last_at), limit in limits if failures >= limit]
        if locks:
            request.login_opens_at = max(locks) + get_cool_off(request)  # type: ignore[attr-defined]
            return max(by_both[0], int(settings.AXES_FAILURE_LIMIT))
        return by_both[0]

    def reset_user_attempts(self, request: HttpRequest, credentials: Credentials = None) -> int:
        """Delete the failures of an account that has logged in from its address; return how many.

        Those of other accounts stay, or the owner of one account could go on guessing passwords.
        """
        by_both, _ = self.filter_user_attempts(request, credentials)
        count, _ = by_both.delete()
        return int(count)


def account_name(request: HttpRequest, credentials: Credentials = None) -> str | None:
    """Return the name of the account that was typed, cut to what the table of failures can hold."""
    name = (request.POST if credentials is None else credentials).get("username")
    return None if name is None else str(name)[:_NAME_LENGTH]


def client_address(request: HttpRequest) -> str | None:
    """Return the address of the client; of IPv6 its network of 64 bits. None if there is none.

    Behind TRUSTED_PROXIES proxies it is the entry of X-Forwarded-For that the first of them wrote:
    the client may have written the entries before it. Without proxies the header is ignored.
    """
    text = request.META.get("REMOTE_ADDR", "")
    entries = [*filter(str.strip, request.META.get("HTTP_X_FORWARDED_FOR", "").split(","))]
    if 0 < settings.TRUSTED_PROXIES <= len(entries):
        text = entries[-settings.TRUSTED_PROXIES]
    try:
        address = ip_address(text.strip())
    except ValueError:
        # A proxy that connects by a socket file and sends no header.
        return None
    if isinstance(address, IPv6Address):
        # One client has all addresses of such a network.
        return str(address.ipv4_mapped or IPv6Address(int(address) >> 64 << 64))
    return str(address)


def locked_page(
    request: HttpRequest, original: HttpResponse | None, credentials: Credentials
) -> HttpResponse:
    """Return the page that a locked login shows, with status 429: it says when to try again."""
    opens_at = request.login_opens_at  # type: ignore[attr-defined]
    wait = opens_at - timezone.now()
    context = admin.site.each_context(request) | {
        "title": "Too many failed logins",
        "opens_at": show.format_time(opens_at),
        "wait": show.duration(wait),
    }
    page = render(request, "admin/marketplace/locked.html", context, status=429)
    page["Retry-After"] = max(int(wait.total_seconds()), 1)
    return page


def _count(attempts: "QuerySet[Any]") -> tuple[int, Any]:
    """Return the number of failures and the time of the last one; 0 and None if there is none."""
    row = attempts.aggregate(failures=Sum("failures_since_start"), last_at=Max("attempt_time"))
    return row["failures"] or 0, row["last_at"]
