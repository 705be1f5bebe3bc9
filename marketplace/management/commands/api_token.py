"""Manage the tokens with which accounts ask questions by HTTP."""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser
from django.db import Error, IntegrityError
from django.utils import timezone

from marketplace.api import tokens
from marketplace.cli import ParagraphCommand
from marketplace.humanize import format_time
from marketplace.models import ApiToken
from marketplace.postgresql.errors import explain

#: The longest life of a token in days.
_MAX_DAYS = 3650


class Command(ParagraphCommand):
    """Create, list and revoke tokens of the HTTP API."""

    help = """Create a token with which an account asks questions by HTTP.

    The token is printed once; only its hash is stored. A question is answered if the account may
    view its tables.

    Examples:
      python manage.py api_token ann --name notebook --days 90
      python manage.py api_token --list
      python manage.py api_token ann --name notebook --revoke

    Exits with 1 if the account or the token does not exist, or the token exists already.
    """

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.add_argument("account", nargs="?", metavar="ACCOUNT", help="Name of an account.")
        parser.add_argument("--name", default="default", help="What the token is used for.")
        parser.add_argument(
            "--days", type=int, default=90, help="Days until the token expires. Default: 90."
        )
        action = parser.add_mutually_exclusive_group()
        action.add_argument("--list", action="store_true", help="List the tokens.")
        action.add_argument("--revoke", action="store_true", help="Delete the token.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Create, list or revoke tokens."""
        if not options["list"] and not options["account"]:
            raise CommandError(
                "Specify an account: python manage.py api_token ACCOUNT", returncode=2
            )
        if not 1 <= options["days"] <= _MAX_DAYS:
            raise CommandError(f"--days must be from 1 to {_MAX_DAYS:,}.", returncode=2)
        try:
            self._run(options)
        except IntegrityError:
            raise CommandError(
                f"The account {options['account']} has a token {options['name']} already. Choose "
                "another --name, or revoke it first: --revoke"
            ) from None
        except Error as error:
            raise CommandError(explain(error)) from error

    def _run(self, options: dict[str, Any]) -> None:
        if options["list"]:
            self._list(options["account"])
            return
        user = get_user_model().objects.filter(username=options["account"]).first()
        if user is None:
            raise CommandError(
                f"The account {options['account']} does not exist. Accounts are listed in the "
                "admin under Users."
            )
        name = options["name"][:100]
        if options["revoke"]:
            if not ApiToken.objects.filter(user=user, name=name).delete()[0]:
                raise CommandError(f"The account {user} has no token {name}. List them: --list")
            self.stdout.write(f"The token {name} of {user} was revoked.")
            return
        token, row = tokens.issue(user, name, options["days"])
        self.stderr.write(
            f"Token {name} of {user}, valid until {format_time(row.expires_at)}. It is not shown "
            "again."
        )
        self.stdout.write(token)

    def _list(self, account: str | None) -> None:
        rows = ApiToken.objects.select_related("user").order_by("user__username", "name")
        if account:
            rows = rows.filter(user__username=account)
        for row in rows:
            state = "expired" if row.expires_at <= timezone.now() else "valid until"
            self.stdout.write(f"{row.user}  {row.name}  {state} {format_time(row.expires_at)}")
        if not rows:
            self.stderr.write("There are no tokens.")
