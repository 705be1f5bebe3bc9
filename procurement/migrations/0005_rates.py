"""Conversion between currencies, with the rate of a day or the last one before it.

The bodies are parsed here, once: whatever search path a session has, they read this table.
Whoever changes its columns drops the functions first.
"""

from django.db import migrations

# UZS for one unit; NULL where no rate is known.
_RATE = """
CREATE FUNCTION procurement_rate(currency text, day date) RETURNS numeric
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN procurement_rate.currency = 'UZS' AND procurement_rate.day IS NOT NULL THEN 1
        ELSE (
            SELECT r.rate
            FROM procurement_exchange_rates AS r
            WHERE r.currency = procurement_rate.currency AND r.rate_date <= procurement_rate.day
            ORDER BY r.rate_date DESC
            LIMIT 1
        )
    END;
END;
"""

# NULL where a rate or an argument is. One expression without a subquery, so that the planner can
# put it in the place of the call: what is in the target currency already then costs nothing.
_CONVERT = """
CREATE FUNCTION procurement_convert(amount numeric, currency text, target text, day date)
RETURNS numeric
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN procurement_convert.currency = procurement_convert.target
            AND procurement_convert.day IS NOT NULL
        THEN procurement_convert.amount
        ELSE round(
            procurement_convert.amount
            * procurement_rate(procurement_convert.currency, procurement_convert.day)
            / procurement_rate(procurement_convert.target, procurement_convert.day),
            2
        )
    END;
END;
"""

# The day of the rate that a conversion used, the older one of two; NULL where it used none.
_RATE_DAY = """
CREATE FUNCTION procurement_rate_day(currency text, target text, day date) RETURNS date
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT min(last.rate_date)
    FROM (VALUES (procurement_rate_day.currency), (procurement_rate_day.target)) AS side (code)
    LEFT JOIN LATERAL (
        SELECT r.rate_date
        FROM procurement_exchange_rates AS r
        WHERE r.currency = side.code AND r.rate_date <= procurement_rate_day.day
        ORDER BY r.rate_date DESC
        LIMIT 1
    ) AS last ON true
    WHERE procurement_rate_day.currency <> procurement_rate_day.target AND side.code <> 'UZS'
    HAVING count(*) = count(last.rate_date);
END;
"""

_REVERSE = """
DROP FUNCTION procurement_rate_day;
DROP FUNCTION procurement_convert;
DROP FUNCTION procurement_rate;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("procurement", "0004_loading"),
    ]

    operations = [
        migrations.RunSQL(_RATE + _CONVERT + _RATE_DAY, _REVERSE),
    ]
