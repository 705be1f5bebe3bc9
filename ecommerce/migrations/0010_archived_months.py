"""Which months of the price history are archived: the database knows, whoever asks or loads.

`ecommerce_create_price_month` makes no month that is archived: it would be empty, and beside the
one that is kept in files.
"""

from typing import Any

from django.core.management.base import CommandError
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

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


def _refuse_if_archived(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Keep the record of what is archived: without it, nothing would know of the files.

    :raises CommandError: if there is any; Django's `migrate` shows no other error as a message
    """
    archived = apps.get_model("ecommerce", "ArchivedMonth").objects
    rows = archived.using(schema_editor.connection.alias).order_by("month")
    months = [f"{month:%Y-%m}" for month in rows.values_list("month", flat=True)]
    if not months:
        return
    count = "1 month is" if len(months) == 1 else f"{len(months)} months are"
    raise CommandError(
        f"0010_archived_months is kept: {count} archived, and only this migration's table knows "
        f"of the files in ARCHIVE_DIR. First: python manage.py db_unarchive {' '.join(months)}"
    )


class Migration(migrations.Migration):
    dependencies = [
        ("ecommerce", "0009_outliers"),
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
        # The last here is the first to be undone: before anything is gone.
        migrations.RunPython(migrations.RunPython.noop, _refuse_if_archived),
    ]
