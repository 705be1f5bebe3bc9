"""Months of the price history: created when they are needed, archived when they are old.

Loading and `init_all` call `ecommerce_create_price_month`. A month whose points are archived in
files is never created: an empty table would hide the files.
"""

from django.core.management.base import CommandError
from django.db import migrations, models

# The month is a month of UTC. PostgreSQL parses the body now, so it does not depend on a session's
# search path.
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

# Creates the table of the month (UTC) that contains `moment`. Returns the name of the new table, or
# NULL if the month exists or is archived.
#
# The table is created on its own and then attached: creating a partition in place would lock all
# readers of the history. The function runs with its owner's rights: a role that loads data may need
# a new month, but may not create tables.
_CREATE_MONTH = """
CREATE FUNCTION ecommerce_create_price_month(moment timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    first timestamptz := date_trunc('month', moment, 'UTC');
    following timestamptz := (first AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC';
    month text := 'ecommerce_price_history_' || to_char(first AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
    IF to_regclass('public.' || month) IS NOT NULL OR public.ecommerce_is_archived(first) THEN
        RETURN NULL;
    END IF;
    -- One at a time: two loaders may need the same new month.
    PERFORM pg_advisory_xact_lock(hashtextextended('ecommerce_price_history', 0));
    IF to_regclass('public.' || month) IS NOT NULL OR public.ecommerce_is_archived(first) THEN
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
REVOKE ALL ON FUNCTION ecommerce_create_price_month FROM PUBLIC;
"""


def _refuse_if_archived(apps, schema_editor):
    """Refuse to drop the table of archived months while it has rows: only it refers to their files.

    :raises CommandError: if a month is archived. Django's `migrate` prints no other error as a
        message.
    """
    archived = apps.get_model("ecommerce", "ArchivedMonth").objects
    rows = archived.using(schema_editor.connection.alias).order_by("month")
    months = [f"{month:%Y-%m}" for month in rows.values_list("month", flat=True)]
    if not months:
        return
    count = "1 month is" if len(months) == 1 else f"{len(months)} months are"
    raise CommandError(
        f"0007_price_months is kept: {count} archived, and only this migration's table knows "
        f"of the files in ARCHIVE_DIR. First: python manage.py db_unarchive {' '.join(months)}"
    )


class Migration(migrations.Migration):
    dependencies = [("ecommerce", "0006_rates")]

    operations = [
        migrations.CreateModel(
            name="ArchivedMonth",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        verbose_name="ID", primary_key=True, serialize=False, auto_created=True
                    ),
                ),
                ("month", models.DateField(help_text="First day of the month, UTC.")),
                ("row_count", models.BigIntegerField()),
                (
                    "content_hash",
                    models.CharField(
                        max_length=64,
                        help_text="Hash of all rows, also stored in the manifest of the archived month.",
                    ),
                ),
                (
                    "archived_at",
                    models.DateTimeField(
                        null=True,
                        help_text="Time at which the table of the month was dropped; NULL until then.",
                    ),
                ),
            ],
            options={
                "db_table": "ecommerce_archived_months",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("month",), name="ecommerce_archived_months_key"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="LostMonth",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        verbose_name="ID", primary_key=True, serialize=False, auto_created=True
                    ),
                ),
                ("month", models.DateField(help_text="First day of the month, UTC.")),
                ("row_count", models.BigIntegerField(help_text="Number of archived points.")),
                (
                    "abandoned_at",
                    models.DateTimeField(help_text="Time at which the month was marked as lost."),
                ),
            ],
            options={
                "db_table": "ecommerce_lost_months",
                "constraints": [
                    models.UniqueConstraint(fields=("month",), name="ecommerce_lost_months_key"),
                ],
            },
        ),
        migrations.RunSQL(_IS_ARCHIVED, "DROP FUNCTION ecommerce_is_archived"),
        migrations.RunSQL(_CREATE_MONTH, "DROP FUNCTION ecommerce_create_price_month"),
        # The last operation is undone first, so the check precedes the first DROP.
        migrations.RunPython(migrations.RunPython.noop, _refuse_if_archived),
    ]
