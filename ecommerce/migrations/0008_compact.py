"""Smaller indexes: titles by hash, the full-text vectors of products in their index only."""

import django.contrib.postgres.indexes
import django.db.models.functions.comparison
from django.db import migrations, models

import marketplace.postgresql.search


class Migration(migrations.Migration):
    dependencies = [
        ("ecommerce", "0007_price_statistics"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="product",
            name="ecommerce_products_title",
        ),
        migrations.RemoveIndex(
            model_name="product",
            name="ecommerce_products_search",
        ),
        migrations.RemoveField(
            model_name="product",
            name="search_vector",
        ),
        migrations.AddIndex(
            model_name="product",
            index=django.contrib.postgres.indexes.HashIndex(
                fields=["title_normalized"], name="ecommerce_products_title"
            ),
        ),
        migrations.AddIndex(
            model_name="product",
            index=django.contrib.postgres.indexes.GinIndex(
                marketplace.postgresql.search.Vector(
                    marketplace.postgresql.search.Joined(
                        django.db.models.functions.comparison.Coalesce(
                            models.F("title"), models.Value("")
                        ),
                        django.db.models.functions.comparison.Coalesce(
                            models.F("title_ru"), models.Value("")
                        ),
                        django.db.models.functions.comparison.Coalesce(
                            models.F("title_uz"), models.Value("")
                        ),
                        django.db.models.functions.comparison.Coalesce(
                            models.F("title_en"), models.Value("")
                        ),
                        django.db.models.functions.comparison.Coalesce(
                            models.F("brand"), models.Value("")
                        ),
                    )
                ),
                gin_pending_list_limit=512,
                name="ecommerce_products_search",
            ),
        ),
    ]
