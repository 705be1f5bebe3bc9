"""Complete and check the items of a batch with other items and stored rows: tax numbers, deals."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db.backends.utils import CursorWrapper

from marketplace.loading import values
from marketplace.loading.adapters import Parsed
from marketplace.loading.retry import retry
from marketplace.postgresql.sql_files import read_sql
from procurement import models
from procurement.records import Lot, Organization

#: A tax number of 9 digits that lost its leading zero when it was read as a number.
_SHORT = re.compile(r"\d{8}", re.ASCII)


def settle(alias: str, platform: str, parsed: list[Parsed | None]) -> None:
    """Complete the items of a batch in place, before they are written."""
    _restore_tax_numbers(alias, platform, parsed)
    _warn_of_deals(parsed)


def warn(cursor: CursorWrapper, platform: str) -> list[str]:
    """Return a warning for each staged lot whose deal differs from the stored one."""
    cursor.execute(read_sql(__file__, "second_deals"), {"platform": platform})
    return [_describe(*row) for row in cursor.fetchall()]


def _restore_tax_numbers(alias: str, platform: str, parsed: list[Parsed | None]) -> None:
    """Restore the leading zero of tax numbers if an organization of that number has the same name.

    Otherwise the number is kept as it is, because another digit may be missing.
    """
    short = {record.inn for record in _organizations(parsed) if _is_short(record)}
    if not short:
        return
    wanted = {f"0{inn}" for inn in short}
    identities = _find_identities(alias, platform, wanted)
    identities += [
        (record.inn, record.name) for record in _organizations(parsed) if record.inn in wanted
    ]
    names = {(inn, values.normalize_title(name)) for inn, name in identities if name}
    for position, item in enumerate(parsed):
        if item is not None and any(map(_is_short, item.records)):
            parsed[position] = _restore(item, names)


@retry
def _find_identities(
    alias: str, platform: str, tax_numbers: set[str]
) -> list[tuple[str | None, str | None]]:
    """Return number and name of the stored organizations with some tax numbers."""
    stored = models.Organization.objects.using(alias)
    rows = stored.filter(platform=platform, inn__in=tax_numbers)
    return list(rows.values_list("inn", "name"))


def _organizations(parsed: Iterable[Parsed | None]) -> Iterator[Organization]:
    records = (record for item in parsed if item is not None for record in item.records)
    return (record for record in records if type(record) is Organization)


def _is_short(record: Any) -> bool:
    return type(record) is Organization and bool(record.inn and _SHORT.fullmatch(record.inn))


def _restore(item: Parsed, names: set[tuple[str | None, str | None]]) -> Parsed:
    renamed: dict[str, str] = {}
    records: list[Any] = []
    for record in item.records:
        if _is_short(record):
            full = f"0{record.inn}"
            if (full, values.normalize_title(record.name)) in names:
                renamed[record.external_id] = f"inn:{full}"
                record = record._replace(external_id=f"inn:{full}", inn=full)
            elif record.external_id.startswith("name:"):
                record = record._replace(inn=None)
        records.append(record)
    return item._replace(
        external_id=renamed.get(item.external_id, item.external_id),
        records=[
            _replace_parties(record, renamed) if type(record) is Lot else record
            for record in records
        ],
    )


def _replace_parties(lot: Lot, renamed: dict[str, str]) -> Lot:
    """Return a lot with the new ids of its parties."""
    customer, provider = lot.customer_external_id, lot.provider_external_id
    return lot._replace(
        customer_external_id=renamed.get(customer or "", customer),
        provider_external_id=renamed.get(provider or "", provider),
    )


def _warn_of_deals(parsed: list[Parsed | None]) -> None:
    """Add a warning to an item whose lot has another deal in an earlier item."""
    deals: dict[str, str] = {}
    for position, item in enumerate(parsed):
        for lot in item.records if item is not None else ():
            if type(lot) is not Lot or not lot.deal_id:
                continue
            earlier = deals.get(lot.external_id, lot.deal_id)
            deals[lot.external_id] = lot.deal_id
            if earlier != lot.deal_id and item is not None:
                text = _describe(lot.external_id, earlier, lot.deal_id)
                parsed[position] = item._replace(warnings=(*item.warnings, text))


def _describe(lot: str, *deals: str) -> str:
    return (
        f"Lot {lot} has more than one deal ({', '.join(_sorted_deals(deals))}). Only one deal of a "
        "lot is kept: its costs and provider are those of one deal."
    )


def _sorted_deals(deals: Sequence[str]) -> list[str]:
    return sorted(deals, key=lambda deal: (len(deal), deal))
