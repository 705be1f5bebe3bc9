"""The catalog: sellers, categories, products, offers."""

from decimal import Decimal

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.comparison
import django.db.models.functions.math
from django.db import migrations, models

import marketplace.postgresql.search


class Migration(migrations.Migration):
    dependencies = [
        ("ecommerce", "0001_extensions"),
    ]

    operations = [
        migrations.CreateModel(
            name="Offer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "platform",
                    models.CharField(
                        help_text="Name of the platform, as registered.", max_length=32
                    ),
                ),
                (
                    "external_id",
                    models.CharField(
                        help_text="The platform's own id; unique within the platform.",
                        max_length=255,
                    ),
                ),
                (
                    "first_seen_at",
                    models.DateTimeField(help_text="Time of the oldest observation."),
                ),
                ("last_seen_at", models.DateTimeField(help_text="Time of the newest observation.")),
                (
                    "updated_at",
                    models.DateTimeField(help_text="When loading last changed the content."),
                ),
                ("variant_title", models.TextField(null=True)),
                ("variant_attributes", models.JSONField(null=True)),
                ("barcode", models.TextField(null=True)),
                ("price", models.DecimalField(decimal_places=2, max_digits=18)),
                ("old_price", models.DecimalField(decimal_places=2, max_digits=18, null=True)),
                (
                    "currency",
                    models.CharField(
                        help_text="ISO 4217; NULL where a feed does not say.",
                        max_length=3,
                        null=True,
                    ),
                ),
                (
                    "currency_text",
                    models.TextField(help_text="As published, where it differs.", null=True),
                ),
                (
                    "discount_percent",
                    models.GeneratedField(
                        db_persist=True,
                        expression=django.db.models.functions.math.Round(
                            django.db.models.expressions.CombinedExpression(
                                models.Value(Decimal("100")),
                                "-",
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("price"), "*", models.Value(Decimal("100"))
                                    ),
                                    "/",
                                    django.db.models.functions.comparison.NullIf(
                                        models.F("old_price"), models.Value(Decimal("0"))
                                    ),
                                ),
                            ),
                            precision=2,
                        ),
                        help_text="Percent below old_price; NULL without one.",
                        output_field=models.DecimalField(
                            decimal_places=2, max_digits=22, null=True
                        ),
                    ),
                ),
                (
                    "is_available",
                    models.BooleanField(help_text="NULL where nobody says.", null=True),
                ),
                ("stock_quantity", models.IntegerField(null=True)),
                ("delivery_days", models.IntegerField(null=True)),
                (
                    "scraped_at",
                    models.DateTimeField(help_text="Time of the observation the price comes from."),
                ),
            ],
            options={
                "db_table": "ecommerce_offers",
            },
        ),
        migrations.CreateModel(
            name="Category",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "platform",
                    models.CharField(
                        help_text="Name of the platform, as registered.", max_length=32
                    ),
                ),
                (
                    "external_id",
                    models.CharField(
                        help_text="The platform's own id; unique within the platform.",
                        max_length=255,
                    ),
                ),
                (
                    "first_seen_at",
                    models.DateTimeField(help_text="Time of the oldest observation."),
                ),
                ("last_seen_at", models.DateTimeField(help_text="Time of the newest observation.")),
                (
                    "updated_at",
                    models.DateTimeField(help_text="When loading last changed the content."),
                ),
                (
                    "name",
                    models.TextField(
                        help_text="As published, in the payload's language.", null=True
                    ),
                ),
                ("name_ru", models.TextField(null=True)),
                ("name_uz", models.TextField(null=True)),
                ("name_en", models.TextField(null=True)),
                ("url", models.TextField(null=True)),
                (
                    "product_count",
                    models.IntegerField(help_text="As published by the platform.", null=True),
                ),
                (
                    "search_vector",
                    models.GeneratedField(
                        db_persist=True,
                        expression=marketplace.postgresql.search.Vector(
                            marketplace.postgresql.search.Joined(
                                django.db.models.functions.comparison.Coalesce(
                                    models.F("name"), models.Value("")
                                ),
                                django.db.models.functions.comparison.Coalesce(
                                    models.F("name_ru"), models.Value("")
                                ),
                                django.db.models.functions.comparison.Coalesce(
                                    models.F("name_uz"), models.Value("")
                                ),
                                django.db.models.functions.comparison.Coalesce(
                                    models.F("name_en"), models.Value("")
                                ),
                            )
                        ),
                        output_field=django.contrib.postgres.search.SearchVectorField(),
                    ),
                ),
                ("level", models.SmallIntegerField(help_text="1 for a root.", null=True)),
                (
                    "path_ids",
                    models.JSONField(
                        help_text="external_id of the root, …, of this node.", null=True
                    ),
                ),
                ("path_names", models.TextField(help_text="Electronics > Phones", null=True)),
                (
                    "parent",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="children",
                        to="ecommerce.category",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "categories",
                "db_table": "ecommerce_categories",
            },
        ),
        migrations.CreateModel(
            name="Product",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "platform",
                    models.CharField(
                        help_text="Name of the platform, as registered.", max_length=32
                    ),
                ),
                (
                    "external_id",
                    models.CharField(
                        help_text="The platform's own id; unique within the platform.",
                        max_length=255,
                    ),
                ),
                (
                    "first_seen_at",
                    models.DateTimeField(help_text="Time of the oldest observation."),
                ),
                ("last_seen_at", models.DateTimeField(help_text="Time of the newest observation.")),
                (
                    "updated_at",
                    models.DateTimeField(help_text="When loading last changed the content."),
                ),
                (
                    "title",
                    models.TextField(help_text="NULL until a payload brings one.", null=True),
                ),
                ("title_ru", models.TextField(null=True)),
                ("title_uz", models.TextField(null=True)),
                ("title_en", models.TextField(null=True)),
                (
                    "title_normalized",
                    models.TextField(
                        help_text="For matching across platforms: iphone 15 pro", null=True
                    ),
                ),
                ("description", models.TextField(null=True)),
                ("brand", models.TextField(null=True)),
                ("model", models.TextField(null=True)),
                ("sku", models.TextField(help_text="The seller's or vendor's code.", null=True)),
                ("barcode", models.TextField(null=True)),
                ("url", models.TextField(null=True)),
                ("images", models.JSONField(help_text="List of URLs.", null=True)),
                ("video_url", models.TextField(null=True)),
                ("tags", models.JSONField(help_text="List of badges as published.", null=True)),
                (
                    "attributes",
                    models.JSONField(help_text="What has no column of its own.", null=True),
                ),
                (
                    "characteristics",
                    models.JSONField(help_text="List of {title, values}.", null=True),
                ),
                (
                    "search_vector",
                    models.GeneratedField(
                        db_persist=True,
                        expression=marketplace.postgresql.search.Vector(
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
                        output_field=django.contrib.postgres.search.SearchVectorField(),
                    ),
                ),
                ("rating", models.DecimalField(decimal_places=2, max_digits=3, null=True)),
                ("review_count", models.IntegerField(null=True)),
                ("order_count", models.IntegerField(help_text="Orders of all time.", null=True)),
                (
                    "is_available",
                    models.BooleanField(help_text="NULL where nobody says.", null=True),
                ),
                (
                    "total_available",
                    models.IntegerField(help_text="Pieces over all offers.", null=True),
                ),
                ("min_price", models.DecimalField(decimal_places=2, max_digits=18, null=True)),
                ("max_price", models.DecimalField(decimal_places=2, max_digits=18, null=True)),
                ("currency", models.CharField(help_text="ISO 4217.", max_length=3, null=True)),
                ("is_eco", models.BooleanField(null=True)),
                ("is_adult", models.BooleanField(null=True)),
                ("is_perishable", models.BooleanField(null=True)),
                ("has_warranty", models.BooleanField(null=True)),
                (
                    "category",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to="ecommerce.category",
                    ),
                ),
            ],
            options={
                "db_table": "ecommerce_products",
            },
        ),
        migrations.AddField(
            model_name="offer",
            name="product",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="offers",
                to="ecommerce.product",
            ),
        ),
        migrations.CreateModel(
            name="Seller",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "platform",
                    models.CharField(
                        help_text="Name of the platform, as registered.", max_length=32
                    ),
                ),
                (
                    "external_id",
                    models.CharField(
                        help_text="The platform's own id; unique within the platform.",
                        max_length=255,
                    ),
                ),
                (
                    "first_seen_at",
                    models.DateTimeField(help_text="Time of the oldest observation."),
                ),
                ("last_seen_at", models.DateTimeField(help_text="Time of the newest observation.")),
                (
                    "updated_at",
                    models.DateTimeField(help_text="When loading last changed the content."),
                ),
                ("name", models.TextField(null=True)),
                ("slug", models.TextField(null=True)),
                ("link", models.TextField(null=True)),
                ("description", models.TextField(null=True)),
                ("attributes", models.JSONField(null=True)),
                ("rating", models.DecimalField(decimal_places=2, max_digits=3, null=True)),
                ("review_count", models.IntegerField(null=True)),
                ("order_count", models.IntegerField(null=True)),
                (
                    "product_count",
                    models.IntegerField(help_text="As published by the platform.", null=True),
                ),
                ("is_official", models.BooleanField(null=True)),
                ("is_verified", models.BooleanField(null=True)),
                ("is_active", models.BooleanField(null=True)),
                ("registered_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "ecommerce_sellers",
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(
                        fields=["name"], name="ecommerce_sellers_name", opclasses=["gin_trgm_ops"]
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("platform", "external_id"), name="ecommerce_sellers_key"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("rating__gte", 0), ("rating__lte", 5)),
                        name="ecommerce_sellers_rating",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="product",
            name="seller",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.SET_NULL, to="ecommerce.seller"
            ),
        ),
        migrations.AddField(
            model_name="offer",
            name="seller",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="offers",
                to="ecommerce.seller",
            ),
        ),
        migrations.AddIndex(
            model_name="category",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["search_vector"], name="ecommerce_categories_search"
            ),
        ),
        migrations.AddConstraint(
            model_name="category",
            constraint=models.UniqueConstraint(
                fields=("platform", "external_id"), name="ecommerce_categories_key"
            ),
        ),
        migrations.AddIndex(
            model_name="product",
            index=models.Index(fields=["title_normalized"], name="ecommerce_products_title"),
        ),
        migrations.AddIndex(
            model_name="product",
            index=models.Index(
                fields=["category", "min_price"], name="ecommerce_products_category"
            ),
        ),
        migrations.AddIndex(
            model_name="product",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["search_vector"], name="ecommerce_products_search"
            ),
        ),
        migrations.AddIndex(
            model_name="product",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["attributes"], name="ecommerce_products_attrs", opclasses=["jsonb_path_ops"]
            ),
        ),
        migrations.AddConstraint(
            model_name="product",
            constraint=models.UniqueConstraint(
                fields=("platform", "external_id"), name="ecommerce_products_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="product",
            constraint=models.CheckConstraint(
                condition=models.Q(("max_price__gte", 0), ("min_price__gte", 0)),
                name="ecommerce_products_price",
            ),
        ),
        migrations.AddIndex(
            model_name="offer",
            index=models.Index(fields=["product", "price"], name="ecommerce_offers_product"),
        ),
        migrations.AddConstraint(
            model_name="offer",
            constraint=models.UniqueConstraint(
                fields=("platform", "external_id"), name="ecommerce_offers_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="offer",
            constraint=models.CheckConstraint(
                condition=models.Q(("price__gte", 0)), name="ecommerce_offers_price"
            ),
        ),
    ]
