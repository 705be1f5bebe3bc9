"""Plain help texts of currencies, chunks and sources. Tables are not changed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ecommerce", "0011_barcodes"),
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
            model_name="offer",
            name="currency",
            field=models.CharField(
                help_text="Currency code (ISO 4217); NULL if the feed does not specify it.",
                max_length=3,
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="pricepoint",
            name="currency",
            field=models.CharField(
                help_text="Currency code (ISO 4217); NULL if the feed does not specify it.",
                max_length=3,
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="product",
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
