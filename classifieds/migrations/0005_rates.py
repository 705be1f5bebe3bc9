"""Exchange rates, and conversion with the rate of a day or the last one before it.

PostgreSQL parses the bodies of the functions when they are created, so they do not depend on a
session's search path. Drop them before you change a column of the table.
"""

from django.db import migrations, models

# Returns UZS for one unit of the currency, or NULL if no rate is known.
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

# Returns NULL if a rate or an argument is NULL. The body is one expression without a subquery, so
# that the planner can inline it: an amount in the target currency then costs nothing.
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

# Returns the day of the rate that a conversion used, the older day of two, or NULL if it used none.
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
    dependencies = [("classifieds", "0004_payloads")]

    operations = [
        migrations.CreateModel(
            name="ExchangeRate",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        verbose_name="ID", primary_key=True, serialize=False, auto_created=True
                    ),
                ),
                ("currency", models.CharField(max_length=3, help_text="ISO 4217.")),
                ("rate_date", models.DateField()),
                (
                    "rate",
                    models.DecimalField(
                        max_digits=20,
                        decimal_places=6,
                        help_text="UZS for one unit of the currency.",
                    ),
                ),
            ],
            options={
                "db_table": "classifieds_exchange_rates",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("currency", "rate_date"), name="classifieds_exchange_rates_key"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(rate__gt=0), name="classifieds_exchange_rates_positive"
                    ),
                ],
            },
        ),
        migrations.RunSQL(_RATE + _CONVERT + _RATE_DAY, _REVERSE),
    ]
