"""Signatures of manifests: a set that somebody rewrote together with its hashes is refused.

The hashes of a manifest show damage. Whoever can write to BACKUP_DIR can compute them again, but
not an HMAC without its key. Manifests are signed with the first key of BACKUP_SIGNING_KEY, and each
of the keys verifies.
"""

import hashlib
import hmac
import json
from enum import StrEnum
from typing import Any

from django.conf import settings

from marketplace.exceptions import BackupError

#: Prefix of the signed text: a signature of anything else with the same key is not valid.
_PURPOSE = b"marketplace backup manifest\n"


class Signature(StrEnum):
    """The result of checking the signature of a manifest."""

    UNSIGNED = "unsigned"
    VALID = "signed"
    #: By none of the keys.
    WRONG = "wrong signature"
    #: There is no key.
    UNCHECKED = "signed, not checked"


def sign(document: dict[str, Any]) -> str | None:
    """Return the signature of a document, as hexadecimal digits; None without a key."""
    keys: list[str] = settings.BACKUP_SIGNING_KEY
    return _hmac(keys[0], document) if keys else None


def examine(document: dict[str, Any], signature: object) -> Signature:
    """Return the result of checking a signature.

    :param document: the signed document, as JSON has it
    :param signature: as read, None if there is none
    """
    if signature is None:
        return Signature.UNSIGNED
    keys: list[str] = settings.BACKUP_SIGNING_KEY
    if not keys:
        return Signature.UNCHECKED
    found = str(signature).encode()
    is_valid = any(hmac.compare_digest(_hmac(key, document).encode(), found) for key in keys)
    return Signature.VALID if is_valid else Signature.WRONG


def check(name: str, signature: Signature, *, is_unsigned_allowed: bool) -> str:
    """Refuse a set whose signature does not prove where it comes from, if there is a key.

    :param name: of the set
    :param is_unsigned_allowed: whether a set without a signature passes
    :return: a warning, as a sentence; empty if there is none
    :raises BackupError: if the set is not signed, or by none of the keys
    """
    if signature == Signature.UNCHECKED:
        return (
            f"The signature of {name} was not checked, because BACKUP_SIGNING_KEY is not set. Set "
            "it to the key that signed the set to have it checked."
        )
    if signature == Signature.WRONG:
        raise BackupError(
            f"The signature of the set {name} fits no key of BACKUP_SIGNING_KEY: the set was "
            "changed, or signed with another key. Add that key to BACKUP_SIGNING_KEY, after a "
            "comma, or use another set."
        )
    if signature == Signature.VALID or not settings.BACKUP_SIGNING_KEY:
        return ""
    if is_unsigned_allowed:
        return f"The set {name} is not signed: nothing proves that it is as it was written."
    raise BackupError(
        f"The set {name} is not signed, and BACKUP_SIGNING_KEY is set: anybody who can write to "
        "BACKUP_DIR may have changed it. If it was made before the key was set, and you trust its "
        "storage, add --unsigned."
    )


def _hmac(key: str, document: dict[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hmac.new(key.encode(), _PURPOSE + text.encode(), hashlib.sha256).hexdigest()
