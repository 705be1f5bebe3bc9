"""Indexes of the times of observations: the admin lists the newest first."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ecommerce", "0014_lost_months"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="pricepoint",
            index=models.Index(fields=["recorded_at"], name="ecommerce_price_recorded"),
        ),
        migrations.AddIndex(
            model_name="rawpayload",
            index=models.Index(fields=["observed_at"], name="ecommerce_payloads_observed"),
        ),
    ]
