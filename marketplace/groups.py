"""The groups of accounts and their permissions in the admin.

Permissions are only added here, so that those which an administrator adds are kept. For fewer
permissions, create another group.
"""

from django.contrib.auth.models import Group, Permission
from django.db import router, transaction
from django.db.models import Q, QuerySet

from marketplace.registry import ALIASES

_VIEW_DATA = Q(content_type__app_label__in=ALIASES, codename__startswith="view_")
#: Models whose rows an operator releases or discards.
_REVIEW = Q(
    content_type__app_label__in=ALIASES,
    content_type__model__in=("loadrun", "quarantinedrecord", "pricepoint"),
    codename__startswith="change_",
)
_ACCOUNTS = (
    Q(content_type__app_label="auth", content_type__model__in=("user", "group"))
    | Q(content_type__app_label="admin", codename="view_logentry")
    | Q(codename__in=("view_apitoken", "delete_apitoken"))
)

#: Name of the group → its permissions.
GROUPS = {
    "analyst": _VIEW_DATA,
    "operator": _VIEW_DATA | _REVIEW,
    "administrator": _VIEW_DATA | _REVIEW | _ACCOUNTS,
}


def missing_groups() -> list[str]:
    """Return the names of groups that do not exist or lack a permission."""
    return [name for name, permissions in GROUPS.items() if _is_incomplete(name, permissions)]


def ensure_groups() -> list[str]:
    """Create missing groups and add missing permissions; return the names of changed groups.

    Safe to run repeatedly and concurrently.
    """
    alias = router.db_for_write(Group)
    with transaction.atomic(using=alias):
        names = missing_groups()
        for name in names:
            group, _ = Group.objects.using(alias).get_or_create(name=name)
            group.permissions.add(*_permissions(GROUPS[name]))
    return names


def _is_incomplete(name: str, permissions: Q) -> bool:
    present = Permission.objects.filter(group__name=name).values("pk")
    return _permissions(permissions).exclude(pk__in=present).exists()


def _permissions(condition: Q) -> QuerySet[Permission]:
    return Permission.objects.filter(condition)
