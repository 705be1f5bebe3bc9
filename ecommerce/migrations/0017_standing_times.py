"""Times that do not count, and what was stored before each source."""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ecommerce", "0016_newest_observed_at"),
    ]

    operations = [
        migrations.AddField(
            model_name="loadsource",
            name="newest_payload",
            field=models.BigIntegerField(
                blank=True,
                help_text="Id of the newest payload that was stored before it.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="loadsource",
            name="stale_times",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.DateTimeField(),
                blank=True,
                db_default=[],
                default=list,
                help_text="Times in its documents that do not count: other content had them before.",
                size=None,
            ),
        ),
        migrations.AddIndex(
            model_name="loadsource",
            index=django.contrib.postgres.indexes.GinIndex(
                condition=models.Q(("stale_times", []), _negated=True),
                fields=["stale_times"],
                name="ecommerce_load_sources_times",
            ),
        ),
    ]
