"""Addresses of rows for manual review: the platform and the id, as in uzum-17.

These rows are runs, quarantined records and prices marked as outliers.
"""

from collections.abc import Collection
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, NamedTuple

from django.apps import apps
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, TextField, Value, When
from django.db.models.functions import Concat

from marketplace.exceptions import SourceError
from marketplace.loading.models import IS_INTERRUPTED, LoadRunQuerySet, loading_models
from marketplace.loading.values import quote
from marketplace.registry import ALIASES, PLATFORMS, get_platform


class Address(NamedTuple):
    """The address of a row.

    :param platform: empty if the address has only the database
    """

    alias: str
    platform: str
    pk: int

    def __str__(self) -> str:
        return f"{self.platform or self.alias}-{self.pk}"


def parse_address(name: str) -> Address:
    """Return the address of a name such as "uzum-17", or "ecommerce-17" for outliers.

    :raises SourceError: if it is not a valid address
    """
    prefix, _, number = name.rpartition("-")
    if number.isascii() and number.isdecimal():
        if prefix in {platform.name for platform in PLATFORMS}:
            return Address(get_platform(prefix).database, prefix, int(number))
        if prefix in ALIASES:
            return Address(prefix, "", int(number))
    names = ", ".join(platform.name for platform in PLATFORMS)
    raise SourceError(
        f"{quote(name)} is not a valid address. Write PLATFORM-NUMBER, as in uzum-17. Platforms: "
        f"{names}."
    )


def find_kind(address: Address, kinds: Collection[str]) -> str:
    """Return the kind of the row with an address: "run", "record" or "outlier".

    :param kinds: the possible kinds; if nothing pending matches, any run with this id is accepted
    :raises SourceError: if no row has the address, or rows of several kinds have it
    """
    waiting = {
        "run": waiting_runs(address.alias),
        "record": records_of(address.alias),
        "outlier": points_of(address.alias),
    }
    matches = [kind for kind in kinds if kind in waiting and _has(waiting[kind], kind, address)]
    if not matches and "run" in kinds and _has(runs_of(address.alias), "run", address):
        return "run"
    if len(matches) == 1:
        return matches[0]
    if matches:
        choice = " or ".join(f"{kind} {address}" for kind in matches)
        raise SourceError(f"{address} is ambiguous. Write {choice}.")
    raise SourceError(
        f"No run, record or outlier {address} is pending review. See: ingest_review list."
    )


def _has(rows: QuerySet[Any] | None, kind: str, address: Address) -> bool:
    if rows is None:
        return False
    if not address.platform:
        # Only outliers are addressed by database.
        return kind == "outlier" and rows.filter(pk=address.pk).exists()
    path = "offer__platform" if kind == "outlier" else "platform"
    return rows.filter(pk=address.pk, **{path: address.platform}).exists()


def points_of(alias: str) -> QuerySet[Any] | None:
    """Return the prices that are or were marked as outliers; None if the database marks none."""
    if outlier_module(alias) is None:
        return None
    return QuerySet(apps.get_model(alias, "PricePoint"), using=alias).exclude(is_outlier=None)


def runs_of(alias: str) -> LoadRunQuerySet:
    """Return all runs of a database."""
    return loading_models(alias).runs


def get_row(rows: QuerySet[Any], address: Address, kind: str) -> Any:
    """Return the row with an address.

    :param kind: of the row, for the message: "run" or "quarantined record"
    :raises SourceError: if it does not exist
    """
    row = rows.filter(platform=address.platform, pk=address.pk).first()
    if row is None:
        raise SourceError(f"The {kind} {address} does not exist. See: ingest_review list.")
    return row


def waiting_runs(alias: str) -> LoadRunQuerySet:
    """Return the runs that are pending review: held runs, and failed runs that can be resumed.

    A failed run can be resumed if it keeps records that were pushed or held, or if it was stopped
    before its files were read to their end.
    """
    chunks = loading_models(alias).chunks.filter(Q(run=OuterRef("pk")))
    runs = runs_of(alias)
    return runs.held() | runs.failed().filter(Exists(chunks) | IS_INTERRUPTED)


def records_of(alias: str) -> QuerySet[Any]:
    """Return the quarantined records, annotated with `shown`: the field and the reason."""
    shown = Case(
        When(field="", then=F("reason")),
        default=Concat("field", Value(": "), "reason", output_field=TextField()),
        output_field=TextField(),
    )
    annotated: QuerySet[Any] = loading_models(alias).quarantine.annotate(shown=shown)
    return annotated


def outlier_module(alias: str) -> ModuleType | None:
    """Return the module of an app that marks prices as outliers; None if it has none."""
    name = f"{alias}.outliers"
    return import_module(name) if find_spec(name) else None
