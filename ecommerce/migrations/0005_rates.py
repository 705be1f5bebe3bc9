"""Conversion between currencies, with the rate of a day or the last one before it.

The bodies are parsed here, once: whatever search path a session has, they read this table.
Whoever changes its columns drops the functions first.
"""

from django.db import migrations

# UZS for one unit; NULL where no rate is known.
_RATE = """
CREATE FUNCTION ecommerce_rate(currency text, day date) RETURNS numeric
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN ecommerce_rate.currency = 'UZS' AND ecommerce_rate.day IS NOT NULL THEN 1
        ELSE (
            SELECT r.rate
            FROM ecommerce_exchange_rates AS r
            WHERE r.currency = ecommerce_rate.currency AND r.rate_date <= ecommerce_rate.day
            ORDER BY r.rate_date DESC
            LIMIT 1
        )
    END;
END;
"""

# NULL where a rate or an argument is. One expression without a subquery, so that the planner can
# put it in the place of the call: what is in the target currency already then costs nothing.
_CONVERT = """
CREATE FUNCTION ecommerce_convert(amount numeric, currency text, target text, day date)
RETURNS numeric
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN ecommerce_convert.currency = ecommerce_convert.target
            AND ecommerce_convert.day IS NOT NULL
        THEN ecommerce_convert.amount
        ELSE round(
            ecommerce_convert.amount
            * ecommerce_rate(ecommerce_convert.currency, ecommerce_convert.day)
            / ecommerce_rate(ecommerce_convert.target, ecommerce_convert.day),
            2
        )
    END;
END;
"""

# The day of the rate that a conversion used, the older one of two; NULL where it used none.
_RATE_DAY = """
CREATE FUNCTION ecommerce_rate_day(currency text, target text, day date) RETURNS date
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT min(last.rate_date)
    FROM (VALUES (ecommerce_rate_day.currency), (ecommerce_rate_day.target)) AS side (code)
    LEFT JOIN LATERAL (
        SELECT r.rate_date
        FROM ecommerce_exchange_rates AS r
        WHERE r.currency = side.code AND r.rate_date <= ecommerce_rate_day.day
        ORDER BY r.rate_date DESC
        LIMIT 1
    ) AS last ON true
    WHERE ecommerce_rate_day.currency <> ecommerce_rate_day.target AND side.code <> 'UZS'
    HAVING count(*) = count(last.rate_date);
END;
"""

_REVERSE = """
DROP FUNCTION ecommerce_rate_day;
DROP FUNCTION ecommerce_convert;
DROP FUNCTION ecommerce_rate;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("ecommerce", "0004_loading"),
    ]

    operations = [
        migrations.RunSQL(_RATE + _CONVERT + _RATE_DAY, _REVERSE),
    ]
