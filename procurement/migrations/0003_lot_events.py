"""Events of lots, the audit trail: append-only, which a trigger enforces."""

from django.db import migrations, models

_APPEND_ONLY = """
CREATE FUNCTION procurement_refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER procurement_lot_events_append_only
    BEFORE UPDATE OR DELETE ON procurement_lot_events
    FOR EACH STATEMENT EXECUTE FUNCTION procurement_refuse_change();
"""

_REVERSE = """
DROP TRIGGER procurement_lot_events_append_only ON procurement_lot_events;
DROP FUNCTION procurement_refuse_change;
"""


class Migration(migrations.Migration):
    dependencies = [("procurement", "0002_lots_and_items")]

    operations = [
        migrations.CreateModel(
            name="LotEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        verbose_name="ID", primary_key=True, serialize=False, auto_created=True
                    ),
                ),
                (
                    "lot",
                    models.ForeignKey(
                        "procurement.lot", models.DO_NOTHING, related_name="events", db_index=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("created", "First seen"), ("changed", "Changed")], max_length=16
                    ),
                ),
                ("changes", models.JSONField(help_text="Column → [before, after].")),
                ("payload", models.JSONField(null=True, help_text="The payload with the change.")),
                (
                    "recorded_at",
                    models.DateTimeField(help_text="Time at which the new state was observed."),
                ),
                (
                    "created_at",
                    models.DateTimeField(help_text="Time at which the event was stored."),
                ),
            ],
            options={
                "db_table": "procurement_lot_events",
                "indexes": [
                    models.Index(fields=["lot", "recorded_at"], name="procurement_lot_events_lot"),
                    models.Index(fields=["recorded_at"], name="procurement_events_recorded"),
                ],
            },
        ),
        migrations.RunSQL(_APPEND_ONLY, _REVERSE),
    ]
