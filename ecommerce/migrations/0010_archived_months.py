"""Which months of the price history are archived: the database knows, whoever asks or loads.

`ecommerce_create_price_month` makes no month that is archived: it would be empty, and beside the
one that is kept in files.
"""

from django.db import migrations, models

# The month is that of UTC. The body is parsed here, once, whatever search path a session has.
_IS_ARCHIVED = """
CREATE FUNCTION ecommerce_is_archived(moment timestamptz) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT EXISTS (
        SELECT FROM ecommerce_archived_months AS a
        WHERE a.month = date_trunc('month', moment AT TIME ZONE 'UTC')::date
    );
END;
"""

# As in 0003, where all is explained, but for {archived}.
_CREATE_MONTH = """
CREATE OR REPLACE FUNCTION ecommerce_create_price_month(moment timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    first timestamptz := date_trunc('month', moment, 'UTC');
    following timestamptz := (first AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC';
    month text := 'ecommerce_price_history_' || to_char(first AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
    IF to_regclass('public.' || month) IS NOT NULL{archived} THEN
        RETURN NULL;
    END IF;
    -- One at a time: two loaders may need the same new month.
    PERFORM pg_advisory_xact_lock(hashtextextended('ecommerce_price_history', 0));
    IF to_regclass('public.' || month) IS NOT NULL{archived} THEN
        RETURN NULL;
    END IF;
    EXECUTE format(
        'CREATE TABLE public.%I (LIKE public.ecommerce_price_history INCLUDING ALL EXCLUDING INDEXES)', month
    );
    EXECUTE format(
        'ALTER TABLE public.ecommerce_price_history ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
        month, first, following
    );
    RETURN month;
END
$$;
"""

_WITH = _CREATE_MONTH.replace("{archived}", " OR public.ecommerce_is_archived(first)")
_WITHOUT = _CREATE_MONTH.replace("{archived}", "")


class Migration(migrations.Migration):
    dependencies = [
        ("ecommerce", "0009_glitches"),
    ]

    operations = [
        migrations.CreateModel(
            name="ArchivedMonth",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("month", models.DateField(help_text="First day of the month, UTC.")),
                ("row_count", models.BigIntegerField()),
                (
                    "content_hash",
                    models.CharField(
                        help_text="That of the manifest beside the files.", max_length=64
                    ),
                ),
                (
                    "archived_at",
                    models.DateTimeField(
                        help_text="When its table was dropped; NULL while that is being done.",
                        null=True,
                    ),
                ),
            ],
            options={
                "db_table": "ecommerce_archived_months",
            },
        ),
        migrations.AddConstraint(
            model_name="archivedmonth",
            constraint=models.UniqueConstraint(
                fields=("month",), name="ecommerce_archived_months_key"
            ),
        ),
        migrations.RunSQL(
            _IS_ARCHIVED + _WITH, _WITHOUT + "DROP FUNCTION ecommerce_is_archived(timestamptz);"
        ),
    ]
