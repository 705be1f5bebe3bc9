"""An index of the prices that are marked as outliers: few of millions."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ecommerce", "0008_compact"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="pricepoint",
            index=models.Index(
                condition=models.Q(("is_outlier", True)),
                fields=["recorded_at"],
                name="ecommerce_price_outliers",
            ),
        ),
    ]
