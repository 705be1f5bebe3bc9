"""Conversion between currencies, with the rate of a day or the last one before it.

The bodies are parsed here, once: whatever search path a session has, they read this table.
Whoever changes its columns drops the functions first.
"""

from django.db import migrations

# UZS for one unit; NULL where no rate is known.
_RATE = """
CREATE FUNCTION classifieds_rate(currency text, day date) RETURNS numeric
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN classifieds_rate.currency = 'UZS' AND classifieds_rate.day IS NOT NULL THEN 1
        ELSE (
            SELECT r.rate
            FROM classifieds_exchange_rates AS r
            WHERE r.currency = classifieds_rate.currency AND r.rate_date <= classifieds_rate.day
            ORDER BY r.rate_date DESC
            LIMIT 1
        )
    END;
END;
"""

# NULL where a rate or an argument is. One expression without a subquery, so that the planner can
# put it in the place of the call: what is in the target currency already then costs nothing.
_CONVERT = """
CREATE FUNCTION classifieds_convert(amount numeric, currency text, target text, day date)
RETURNS numeric
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN classifieds_convert.currency = classifieds_convert.target
            AND classifieds_convert.day IS NOT NULL
        THEN classifieds_convert.amount
        ELSE round(
            classifieds_convert.amount
            * classifieds_rate(classifieds_convert.currency, classifieds_convert.day)
            / classifieds_rate(classifieds_convert.target, classifieds_convert.day),
            2
        )
    END;
END;
"""

# The day of the rate that a conversion used, the older one of two; NULL where it used none.
_RATE_DAY = """
CREATE FUNCTION classifieds_rate_day(currency text, target text, day date) RETURNS date
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT min(last.rate_date)
    FROM (VALUES (classifieds_rate_day.currency), (classifieds_rate_day.target)) AS side (code)
    LEFT JOIN LATERAL (
        SELECT r.rate_date
        FROM classifieds_exchange_rates AS r
        WHERE r.currency = side.code AND r.rate_date <= classifieds_rate_day.day
        ORDER BY r.rate_date DESC
        LIMIT 1
    ) AS last ON true
    WHERE classifieds_rate_day.currency <> classifieds_rate_day.target AND side.code <> 'UZS'
    HAVING count(*) = count(last.rate_date);
END;
"""

_REVERSE = """
DROP FUNCTION classifieds_rate_day;
DROP FUNCTION classifieds_convert;
DROP FUNCTION classifieds_rate;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("classifieds", "0003_loading"),
    ]

    operations = [
        migrations.RunSQL(_RATE + _CONVERT + _RATE_DAY, _REVERSE),
    ]
