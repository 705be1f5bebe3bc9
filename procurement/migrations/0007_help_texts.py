"""Plain help texts of currencies, chunks and sources. Tables are not changed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("procurement", "0006_batch_count"),
    ]

    operations = [
        migrations.AlterField(
            model_name="exchangerate",
            name="currency",
            field=models.CharField(
                help_text="Currency code (ISO 4217), such as UZS.", max_length=3
            ),
        ),
        migrations.AlterField(
            model_name="loadchunk",
            name="is_held",
            field=models.BooleanField(
                default=False,
                help_text="True if a gate holds the records; False if they were pushed.",
            ),
        ),
        migrations.AlterField(
            model_name="lot",
            name="currency",
            field=models.CharField(
                help_text="Currency code (ISO 4217), such as UZS.", max_length=3, null=True
            ),
        ),
        migrations.AlterField(
            model_name="lotitem",
            name="currency",
            field=models.CharField(
                help_text="Currency code (ISO 4217), such as UZS.", max_length=3, null=True
            ),
        ),
        migrations.AlterField(
            model_name="quarantinedrecord",
            name="source",
            field=models.TextField(
                help_text="Path of the file, or name of another source, and position in it."
            ),
        ),
    ]
