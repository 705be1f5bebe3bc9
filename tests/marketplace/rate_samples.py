"""Exchange rates for tests, and queries for stored and converted ones."""

from datetime import date
from decimal import Decimal

from marketplace.rates import Rate

JUNE, JULY = date(2026, 6, 1), date(2026, 7, 1)

DOLLAR = Rate("USD", JUNE, Decimal("12650.00"))

ROUBLE = Rate("RUB", JUNE, Decimal("158.2"))

#: Exactly as the bank publishes it.
ENTRY = {
    "id": 69,
    "Code": "840",
    "Ccy": "USD",
    "CcyNm_RU": "Доллар США",
    "CcyNm_UZ": "AQSH dollari",
    "CcyNm_UZC": "АҚШ доллари",
    "CcyNm_EN": "US Dollar",
    "Nominal": "1",
    "Rate": "12650.00",
    "Diff": "-11.16",
    "Date": "01.06.2026",
}
