"""Exchange rates, and conversion with the rate of a day or the last one before it.

PostgreSQL parses the bodies of the functions when they are created, so they do not depend on a
session's search path. Drop them before you change a column of the table.
"""

from django.db import migrations, models

# Returns UZS for one unit of the currency, or NULL if no rate is known.
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

# Returns NULL if a rate or an argument is NULL. The body is one expression without a subquery, so
# that the planner can inline it: an amount in the target currency then costs nothing.
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

# Returns the day of the rate that a conversion used, the older day of two, or NULL if it used none.
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
    dependencies = [("procurement", "0004_loading")]

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
                "db_table": "procurement_exchange_rates",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("currency", "rate_date"), name="procurement_exchange_rates_key"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(rate__gt=0), name="procurement_exchange_rates_positive"
                    ),
                ],
            },
        ),
        migrations.RunSQL(_RATE + _CONVERT + _RATE_DAY, _REVERSE),
    ]
