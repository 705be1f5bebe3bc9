"""Tokens with which accounts ask questions. A token is shown once; its hash is stored."""

import secrets
from datetime import timedelta
from hashlib import sha256
from typing import Any

from django.contrib.auth.models import User
from django.db import Error
from django.http import HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer

from marketplace.api.errors import RETRY_LATER
from marketplace.exceptions import RequestError
from marketplace.models import ApiToken

#: Bytes of randomness of a token, which make it impossible to guess.
_SIZE = 32


def issue(user: User, name: str, days: int) -> tuple[str, ApiToken]:
    """Create a token of an account.

    :param days: after which it expires
    :return: the token, which cannot be read again, and its row
    :raises django.db.IntegrityError: if the account has a token with this name
    """
    token = secrets.token_urlsafe(_SIZE)
    expires_at = timezone.now() + timedelta(days=days)
    row = ApiToken.objects.create(
        user=user, name=name, token_hash=_hash(token), expires_at=expires_at
    )
    return token, row


class TokenAuthentication(HttpBearer):
    """Accepts the token of an active account, and sets it as `request.user`."""

    def __call__(self, request: HttpRequest) -> Any:
        """Return the account.

        :raises RequestError: if the request has no valid token
        """
        user = super().__call__(request)
        if user is None:
            raise _unauthorized(
                "A token is required. Send the header Authorization: Bearer TOKEN; an "
                "administrator creates tokens by: python manage.py api_token ACCOUNT"
            )
        return user

    def authenticate(self, request: HttpRequest, token: str) -> User:
        """Return the account of a token.

        :raises RequestError: if it is unknown or expired, or its account is not active
        """
        rows = ApiToken.objects.select_related("user")
        try:
            row = rows.filter(token_hash=_hash(token)).first()
        except Error as error:
            raise RequestError(
                503,
                "Tokens cannot be checked: the database of accounts is unavailable. Send the "
                "request again later.",
                headers=RETRY_LATER,
            ) from error
        if row is None or not row.user.is_active:
            raise _unauthorized("The token is not valid. Ask an administrator for another one.")
        if row.expires_at <= timezone.now():
            raise _unauthorized(
                f"The token expired on {timezone.localtime(row.expires_at):%Y-%m-%d}. Ask an "
                "administrator for another one."
            )
        request.user = row.user
        return row.user


def _hash(token: str) -> str:
    # A random token needs no slow hash, and is found by its hash.
    return sha256(token.encode(errors="replace")).hexdigest()


def _unauthorized(reason: str) -> RequestError:
    return RequestError(401, reason, headers={"WWW-Authenticate": "Bearer"})
