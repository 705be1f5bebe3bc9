"""Indexes of the times of observations: the admin lists the newest first."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("classifieds", "0008_warnings"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="listingevent",
            index=models.Index(fields=["recorded_at"], name="classifieds_events_recorded"),
        ),
        migrations.AddIndex(
            model_name="rawpayload",
            index=models.Index(fields=["observed_at"], name="classifieds_payloads_observed"),
        ),
    ]
