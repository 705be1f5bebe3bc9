"""Indexes of the times of observations: the admin lists the newest first."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("procurement", "0009_warnings"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="lotevent",
            index=models.Index(fields=["recorded_at"], name="procurement_events_recorded"),
        ),
    ]
