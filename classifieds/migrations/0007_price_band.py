"""Price bands, for questions."""

from django.db import migrations

# Returns the band of an amount, from a power of ten to the next one: 1 000–10 000. The body is one
# expression without a subquery, so that the planner can inline it.
_PRICE_BAND = """
CREATE FUNCTION classifieds_price_band(amount numeric) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN length(trunc(amount)::text) = 1 THEN '0'
        ELSE replace(
            to_char(
                10::numeric ^ (length(trunc(amount)::text) - 1), 'FM999,999,999,999,999,999,999'
            ),
            ',',
            ' '
        )
    END || '–' || replace(
        to_char(10::numeric ^ length(trunc(amount)::text), 'FM999,999,999,999,999,999,999'),
        ',',
        ' '
    );
END;
"""


class Migration(migrations.Migration):
    dependencies = [("classifieds", "0006_batch_count")]

    operations = [
        migrations.RunSQL(_PRICE_BAND, "DROP FUNCTION classifieds_price_band"),
    ]
