"""What a person should know of a source though its records were loaded."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ecommerce", "0012_times_of_rejects"),
    ]

    operations = [
        migrations.AddField(
            model_name="loadsource",
            name="warnings",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.TextField(),
                blank=True,
                db_default=[],
                default=list,
                help_text="What a person should know, though its records were loaded.",
                size=None,
            ),
        ),
    ]
