"""Groups of accounts: who may see what in the admin, and who may decide and administer.

Groups only gain permissions here: those that a person has added stay. For fewer permissions, make a
group of your own.
"""

from django.contrib.auth.models import Group, Permission
from django.db import router, transaction
from django.db.models import Q, QuerySet

from marketplace.registry import ALIASES

_SEE_DATA = Q(content_type__app_label__in=ALIASES, codename__startswith="view_")
#: The models whose rows a person releases or discards.
_REVIEW = Q(
    content_type__app_label__in=ALIASES,
    content_type__model__in=("loadrun", "quarantinedrecord", "pricepoint"),
    codename__startswith="change_",
)
_ACCOUNTS = Q(content_type__app_label="auth", content_type__model__in=("user", "group")) | Q(
    content_type__app_label="admin", codename="view_logentry"
)

#: Name of each group → the permissions that it has.
GROUPS = {
    "analyst": _SEE_DATA,
    "operator": _SEE_DATA | _REVIEW,
    "administrator": _SEE_DATA | _REVIEW | _ACCOUNTS,
}


def missing_groups() -> list[str]:
    """Return the names of the groups that do not exist, or lack a permission."""
    return [name for name, wanted in GROUPS.items() if _missing(name, wanted)]


def ensure_groups() -> list[str]:
    """Create the groups that are absent and add the permissions that they lack; return their names.

    Safe to run twice and at once.
    """
    alias = router.db_for_write(Group)
    with transaction.atomic(using=alias):
        names = missing_groups()
        for name in names:
            group, _ = Group.objects.using(alias).get_or_create(name=name)
            group.permissions.add(*_permissions(GROUPS[name]))
    return names


def _missing(name: str, wanted: Q) -> bool:
    present = Permission.objects.filter(group__name=name).values("pk")
    return _permissions(wanted).exclude(pk__in=present).exists()


def _permissions(wanted: Q) -> QuerySet[Permission]:
    return Permission.objects.filter(wanted)
