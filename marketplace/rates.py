"""Exchange rates of the Central Bank of Uzbekistan: reading them, and storing them in a database.

The bank describes the format at https://cbu.uz/uz/arkhiv-kursov-valyut/veb-masteram/. Amounts are
converted by functions in the databases, such as `ecommerce_convert`, which migrations create.
"""

import json
import re
import reprlib
import sys
from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from django.apps import apps
from django.db import connections, transaction
from psycopg2 import sql

from marketplace.exceptions import PayloadError, SourceError
from marketplace.humanize import counted
from marketplace.loading.formats.documents import STANDARD_INPUT

_ISO_4217 = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN
BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS
GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW
KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD
NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD
SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU VED VES
VND VUV WST XAF XCD XCG XDR XOF XPF YER ZAR ZMW ZWG

ATS AZM BEF BGL BYB BYR CUC CYP DEM EEK ESP FIM FRF GHC GRD HRK IEP ITL LTL LVL MRO MTL MZM NLG
PTE ROL SDD SIT SKK SLL STD TJR TMM TRL UAK VEB VEF XEU YUM ZMK ZWD ZWL
"""

#: The codes of ISO 4217, and the codes withdrawn since 1994: the archive of the bank begins with
#: the so'm.
CURRENCIES = frozenset(_ISO_4217.split())

#: The range of valid days, which begins with the first day of the so'm. The end is exclusive.
_FIRST, _END = date(1994, 7, 1), date(2100, 1, 1)

_PLACES, _LIMIT = Decimal("0.000001"), Decimal(10) ** 14

_UPSERT = """
INSERT INTO {table} AS t (currency, rate_date, rate)
SELECT currency, rate_date, rate
FROM unnest(%(currencies)s::text[], %(days)s::date[], %(rates)s::numeric[])
    AS new (currency, rate_date, rate)
ORDER BY currency, rate_date
ON CONFLICT (currency, rate_date) DO UPDATE SET rate = EXCLUDED.rate WHERE t.rate <> EXCLUDED.rate
RETURNING xmax = 0
"""


T = TypeVar("T")


class Rate(NamedTuple):
    """The price of one unit of a currency on a day, in UZS."""

    currency: str
    day: date
    rate: Decimal


class Fault(NamedTuple):
    """An invalid entry and its error.

    :param place: the entry, such as "entry 3"
    :param field: the invalid field; empty if the whole entry is invalid
    """

    place: str
    field: str
    reason: str

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.place, self.field))) + f": {self.reason}"


class Reading(NamedTuple):
    """The content of a source: its rates and its invalid entries."""

    name: str
    rates: tuple[Rate, ...]
    faults: tuple[Fault, ...]


class Summary(NamedTuple):
    """The result of loading rates: read = new + corrected + unchanged."""

    read: int
    new: int
    corrected: int
    unchanged: int

    def __str__(self) -> str:
        return (
            f"{counted(self.read, 'rate')} read, {self.new:,} new, "
            f"{self.corrected:,} corrected, {self.unchanged:,} unchanged"
        )


def load_rates(alias: str, rates: Iterable[Rate]) -> Summary:
    """Store rates in a database. A rate that differs from the stored rate of its day replaces it.

    Loading the same rates again changes nothing. Of several rates of one currency and day, the last
    is stored; the others are included in `unchanged`. Concurrent calls are safe.

    :raises django.db.Error: if the database cannot be used
    """
    read = list(rates)
    last = {(rate.currency, rate.day): rate for rate in read}.values()
    table = apps.get_model(alias, "ExchangeRate")._meta.db_table
    values: dict[str, Any] = {
        "currencies": [rate.currency for rate in last],
        "days": [rate.day for rate in last],
        "rates": [rate.rate for rate in last],
    }
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        cursor.execute(sql.SQL(_UPSERT).format(table=sql.Identifier(table)), values)
        written = [is_new for (is_new,) in cursor.fetchall()]
    new = sum(written)
    return Summary(len(read), new, len(written) - new, len(read) - len(written))


def read_rates(path: str) -> Reading:
    """Read a file of rates, or standard input for "-": a JSON array of entries, or one entry.

    :raises SourceError: if the source cannot be read, is not JSON, or has no entry
    """
    name = "standard input" if path == STANDARD_INPUT else path
    content = _content(path, name)
    entries = content if isinstance(content, list) else [content]
    if not entries:
        raise SourceError(f"{name} has no rates: its list is empty. Fetch another day.")
    rates, faults = [], []
    for number, entry in enumerate(entries, 1):
        try:
            rates.append(parse_rate(entry))
        except PayloadError as error:
            faults.append(Fault(f"entry {number}", error.field, error.reason))
    return Reading(name, tuple(rates), tuple(faults))


def parse_rate(entry: Any) -> Rate:
    """Return the rate of an entry for one unit of the currency, with six places.

    {"Ccy": "IDR", "Nominal": "10", "Rate": "7.62", "Date": "01.06.2026"} → 0.762 UZS.

    :raises PayloadError: if a field is missing or not valid
    """
    if not isinstance(entry, dict):
        raise PayloadError(f"{_shown(entry)} is not an object")
    currency = _field(entry, "Ccy", _currency)
    nominal, price = _field(entry, "Nominal", _whole), _field(entry, "Rate", _positive)
    day = _field(entry, "Date", _day)
    rate = (price / nominal).quantize(_PLACES, ROUND_HALF_UP)
    if not 0 < rate < _LIMIT:
        raise PayloadError("divided by Nominal does not fit numeric(20,6)", "Rate")
    return Rate(currency, day, rate)


def _content(path: str, name: str) -> Any:
    try:
        data = sys.stdin.buffer.read() if path == STANDARD_INPUT else Path(path).read_bytes()
    except OSError as error:
        raise SourceError(
            f"Cannot read {name}: {error.strerror or error}. Specify a file with rates in JSON, "
            "or - for standard input."
        ) from error
    try:
        return json.loads(data.decode("utf-8-sig"), parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        reason = f"is not JSON: {error}" if data.strip() else "is empty"
        raise SourceError(
            f"{name} {reason}. Fetch the central bank's rates as JSON, and load them again."
        ) from error


def _field(entry: dict[str, Any], field: str, convert: Callable[[Any], T]) -> T:
    value = entry.get(field)
    if value is None or value == "":
        raise PayloadError("is missing", field)
    try:
        return convert(value)
    except ValueError as error:
        raise PayloadError(f"{_shown(value)} {error}", field) from None


def _currency(value: Any) -> str:
    if value == "UZS":
        raise ValueError("is so'm itself, which is always 1")
    if not isinstance(value, str) or value not in CURRENCIES:
        raise ValueError("is not a known currency code (ISO 4217)")
    return value


def _positive(value: Any) -> Decimal:
    # A comma is refused: it may separate decimals or thousands.
    is_text = isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]+(\.[0-9]+)?\s*", value)
    if not is_text and (isinstance(value, bool) or not isinstance(value, int | Decimal)):
        raise ValueError("is not a number like 12650.00")
    number = Decimal(value)
    if number <= 0:
        raise ValueError("is not above 0")
    if number >= _LIMIT:
        raise ValueError("is too large")
    return number


def _whole(value: Any) -> Decimal:
    number = _positive(value)
    if number != number.to_integral_value():
        raise ValueError("is not a whole number")
    return number


def _day(value: Any) -> date:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{2}\.[0-9]{2}\.[0-9]{4}", value):
        raise ValueError("is not a date like 01.06.2026")
    try:
        day = datetime.strptime(value, "%d.%m.%Y").date()
    except ValueError:
        raise ValueError("is not a valid date") from None
    if not _FIRST <= day < _END:
        raise ValueError(f"is not between {_FIRST:%d.%m.%Y} and {_END:%d.%m.%Y}")
    return day


def _shown(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    # reprlib limits the size of objects and lists, and the depth to which it descends.
    shown = reprlib.repr(value) if isinstance(value, dict | list) else repr(value)
    return f"{shown[:80]}…" if len(shown) > 80 else shown
