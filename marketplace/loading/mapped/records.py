"""The records of a row of a table, by the sections of a mapping."""

from collections.abc import Mapping
from typing import Any, NoReturn

from marketplace.exceptions import PayloadError
from marketplace.loading import values
from marketplace.loading.adapters import Parsed, Payload
from marketplace.loading.formats.decimal_marks import price_style
from marketplace.loading.mapped import columns
from marketplace.loading.mapped.mapping import Field, Section, TableMapping

_AMOUNTS = {"price", "old_price", "min_price", "max_price", "start_cost", "deal_cost", "cost"}
_CURRENCIES = {"currency", "currency_text"}
_STOCKS = {"stock_quantity", "total_available", "available_amount"}


class RowParser:
    """Parses the rows of a table.

    :param required: record type → the field that a record may lack while it is out of stock
    """

    def __init__(self, mapping: TableMapping, required: Mapping[type[Any], str]) -> None:
        self._mapping = mapping
        self._required = required
        #: Section, currency and decimal marks → the fields with the style of their prices.
        self._styled_fields: dict[tuple[str | None, ...], dict[str, Field]] = {}

    def parse(self, row: Payload, context: Payload) -> Parsed:
        """Return the records of a row, parents first.

        :raises PayloadError: if the row has no id, or a value that cannot be converted
        """
        sections = self._mapping.sections
        ids = {section.name: self._external_id(section, row) for section in sections}
        main = sections[0]
        if ids[main.name] is None:
            self._refuse_row(main, row)
        parents_first = sorted(sections, key=lambda section: section.rank)
        records = [self._record(section, row, ids, context) for section in parents_first]
        chains = [section for section in sections if section.chain]
        ancestors = [record for section in chains for record in self._ancestors(section, row)]
        observed = self._mapping.observed_at
        return Parsed(
            ids[main.name] or "",
            [*ancestors, *(record for record in records if record is not None)],
            self._value(observed, row) if observed else None,
        )

    def _refuse_row(self, section: Section, row: Payload) -> NoReturn:
        """Refuse a row without the id of its main record.

        :raises PayloadError: always
        """
        source = section.chain or section.fields["external_id"]
        names = [name for names in source.column.alternatives for name in names]
        texts = [text for name in names if (text := str(columns.find(row, name) or "").strip())]
        reason = (
            f"{values.quote(texts[0])} has no id in the form that the mapping describes"
            if texts
            else "is missing"
        )
        raise PayloadError(reason, " or ".join(names))

    def _external_id(self, section: Section, row: Payload) -> str | None:
        if section.chain:
            names = self._value(section.chain, row)
            return _chain_id(names) if names else None
        source = section.fields.get("external_id")
        external_id: str | None = self._value(source, row) if source else None
        return external_id

    def _value(self, source: Field, row: Payload) -> Any:
        return columns.read(source.column, source.convert, row, self._mapping.empty)

    def _record(
        self, section: Section, row: Payload, ids: dict[str, str | None], context: Payload
    ) -> Any:
        """Return the record of a section; None if a required field is missing."""
        fields = section.record._fields
        links = {f"{name}_external_id": external_id for name, external_id in ids.items()}
        record: dict[str, Any] = {name: link for name, link in links.items() if name in fields}
        if "currency" in fields:
            source = section.fields.get("currency")
            record["currency"] = (
                self._value(source, row)
                if source
                else values.currency(context.get("currency"), "currency")
            )
        styled = self._fields(section, record.get("currency"), context)
        record |= {name: self._value(source, row) for name, source in styled.items()}
        if section.chain and ids[section.name] is not None:
            names: list[str] = self._value(section.chain, row)
            record |= {"external_id": ids[section.name], "name": names[-1]}
            record["parent_external_id"] = _chain_id(names[:-1]) if names[1:] else None
        record = _reconciled(record)
        missing = {name for name in section.required if record.get(name) is None}
        # A record that is out of stock may have no price.
        if record.get("is_available") is False:
            missing.discard(self._required.get(section.record, ""))
        if missing:
            return None
        return section.record(**record)

    def _ancestors(self, section: Section, row: Payload) -> list[Any]:
        """Return the records above the last one of a chain, the root first."""
        names: list[str] = (self._value(section.chain, row) if section.chain else None) or []
        return [
            section.record(
                external_id=_chain_id(names[:length]),
                name=names[length - 1],
                parent_external_id=_chain_id(names[: length - 1]) if length > 1 else None,
            )
            for length in range(1, len(names))
        ]

    def _fields(self, section: Section, currency: str | None, context: Payload) -> dict[str, Field]:
        """Return the fields of a section except its currency, with the style of the prices."""
        key = (section.name, currency, context.get("decimal"), context.get("stated_decimal"))
        if key not in self._styled_fields:
            style = price_style(currency, context)
            self._styled_fields[key] = {
                name: source._replace(column=columns.in_style(source.column, style))
                if columns.is_price(source.convert)
                else source
                for name, source in section.fields.items()
                if name != "currency"
            }
        return self._styled_fields[key]


def _chain_id(names: list[str]) -> str:
    return values.identifier(" > ".join(names), "external_id")


def _reconciled(record: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a record without those that contradict others.

    A currency without an amount is dropped, and an old price that is not higher than the price. The
    stock quantity determines the availability if it is 0, or if the row does not state it.
    """
    amounts = _AMOUNTS & record.keys()
    if amounts and all(record[name] is None for name in amounts):
        record = record | dict.fromkeys(_CURRENCIES & record.keys())
    old_price, price = record.get("old_price"), record.get("price")
    if old_price is not None and (price is None or old_price <= price):
        record = record | {"old_price": None}
    quantities = (record[name] for name in _STOCKS & record.keys() if record[name] is not None)
    stock = next(quantities, None)
    if stock == 0 or (stock is not None and record.get("is_available") is None):
        record = record | {"is_available": stock > 0}
    return record
