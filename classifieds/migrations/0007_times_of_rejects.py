"""All times at which a quarantined record was observed."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("classifieds", "0006_records_ahead"),
    ]

    operations = [
        migrations.AddField(
            model_name="quarantinedrecord",
            name="observed_times",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.DateTimeField(),
                blank=True,
                db_default=[],
                default=list,
                help_text="All times at which it was observed: it is released at each of them.",
                size=None,
            ),
        ),
        migrations.RunSQL(
            "UPDATE classifieds_quarantine SET observed_times = ARRAY[observed_at] "
            "WHERE observed_at IS NOT NULL",
            migrations.RunSQL.noop,
        ),
    ]
