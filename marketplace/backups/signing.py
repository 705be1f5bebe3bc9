"""Signatures of manifests, which protect sets against deliberate changes.

The hashes in a manifest reveal damage, but everybody who can write to BACKUP_DIR can recompute
them. An HMAC cannot be computed without the key. Manifests are signed with the first key of
BACKUP_SIGNING_KEY; a signature is valid if it matches any of the keys.
"""

import hashlib
import hmac
import json
from enum import StrEnum
from typing import Any

from django.conf import settings

from marketplace.exceptions import BackupError

#: Prefix of the signed text, so that signatures made with the same key for another purpose are
#: invalid.
_PURPOSE = b"marketplace backup manifest\n"


class Signature(StrEnum):
    """The result of checking the signature of a manifest."""

    UNSIGNED = "unsigned"
    VALID = "signed"
    #: It matches none of the keys.
    WRONG = "wrong signature"
    #: No key is set.
    UNCHECKED = "signed, not checked"


def sign(document: dict[str, Any]) -> str | None:
    """Return the signature of a document, as hexadecimal digits; None if no key is set."""
    keys: list[str] = settings.BACKUP_SIGNING_KEY
    return _hmac(keys[0], document) if keys else None


def signature_state(document: dict[str, Any], signature: object) -> Signature:
    """Return the result of checking a signature.

    :param document: the signed document, with values of JSON types
    :param signature: as read; None if the document has none
    """
    if signature is None:
        return Signature.UNSIGNED
    keys: list[str] = settings.BACKUP_SIGNING_KEY
    if not keys:
        return Signature.UNCHECKED
    stated = str(signature).encode()
    is_valid = any(hmac.compare_digest(_hmac(key, document).encode(), stated) for key in keys)
    return Signature.VALID if is_valid else Signature.WRONG


def require_valid(name: str, signature: Signature, *, is_unsigned_allowed: bool) -> str:
    """Refuse a set without a valid signature, if a key is set.

    :param name: of the set
    :param is_unsigned_allowed: whether to accept an unsigned set
    :return: a warning, as a sentence; empty if there is none
    :raises BackupError: if the set is not signed, or its signature matches none of the keys
    """
    if signature == Signature.UNCHECKED:
        return (
            f"The signature of {name} was not checked, because BACKUP_SIGNING_KEY is not set. To "
            "check it, set BACKUP_SIGNING_KEY to the key that signed the set."
        )
    if signature == Signature.WRONG:
        raise BackupError(
            f"The signature of the set {name} does not match any key of BACKUP_SIGNING_KEY: the "
            "set was changed, or signed with another key. Add that key to BACKUP_SIGNING_KEY, "
            "after a comma, or use another set."
        )
    if signature == Signature.VALID or not settings.BACKUP_SIGNING_KEY:
        return ""
    if is_unsigned_allowed:
        return f"The set {name} is not signed: changes cannot be detected."
    raise BackupError(
        f"The set {name} is not signed, but BACKUP_SIGNING_KEY is set: anybody who can write to "
        "BACKUP_DIR may have changed it. If it was made before the key was set, and you trust its "
        "storage, add --unsigned."
    )


def _hmac(key: str, document: dict[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hmac.new(key.encode(), _PURPOSE + text.encode(), hashlib.sha256).hexdigest()
