"""The catalog: sellers, categories, products and offers."""

from decimal import Decimal

from django.contrib.postgres.indexes import GinIndex, HashIndex
from django.db import migrations, models
from django.db.models import F, Value
from django.db.models.functions import NullIf, Round

from marketplace.postgresql.search import search_vector, vector_of


def _platform_row():
    """Return the columns that every table of this migration has."""
    return [
        (
            "id",
            models.BigAutoField(
                verbose_name="ID", primary_key=True, serialize=False, auto_created=True
            ),
        ),
        (
            "platform",
            models.CharField(max_length=32, help_text="Name of the platform, as registered."),
        ),
        (
            "external_id",
            models.CharField(
                max_length=255, help_text="The platform's own id; unique within the platform."
            ),
        ),
        ("first_seen_at", models.DateTimeField(help_text="Time of the oldest observation.")),
        ("last_seen_at", models.DateTimeField(help_text="Time of the newest observation.")),
        (
            "updated_at",
            models.DateTimeField(help_text="Time at which loading last changed the content."),
        ),
    ]


def _discount():
    """Return the column with the discount: by how many percent `price` is below `old_price`."""
    hundred = Value(Decimal(100))
    return models.GeneratedField(
        expression=Round(
            hundred - F("price") * hundred / NullIf(F("old_price"), Value(Decimal(0))),
            precision=2,
        ),
        output_field=models.DecimalField(max_digits=22, decimal_places=2, null=True),
        db_persist=True,
        help_text="By how many percent price is below old_price; NULL without old_price.",
    )


class Migration(migrations.Migration):
    dependencies = [("ecommerce", "0001_extensions")]

    operations = [
        migrations.CreateModel(
            name="Seller",
            fields=[
                *_platform_row(),
                ("name", models.TextField(null=True)),
                ("slug", models.TextField(null=True)),
                ("link", models.TextField(null=True)),
                ("description", models.TextField(null=True)),
                ("attributes", models.JSONField(null=True)),
                ("rating", models.DecimalField(max_digits=3, decimal_places=2, null=True)),
                ("review_count", models.IntegerField(null=True)),
                ("order_count", models.IntegerField(null=True)),
                (
                    "product_count",
                    models.IntegerField(null=True, help_text="As published by the platform."),
                ),
                ("is_official", models.BooleanField(null=True)),
                ("is_verified", models.BooleanField(null=True)),
                ("is_active", models.BooleanField(null=True)),
                ("registered_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "ecommerce_sellers",
                "indexes": [
                    GinIndex(
                        fields=["name"], name="ecommerce_sellers_name", opclasses=["gin_trgm_ops"]
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("platform", "external_id"), name="ecommerce_sellers_key"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(rating__gte=0, rating__lte=5),
                        name="ecommerce_sellers_rating",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Category",
            fields=[
                *_platform_row(),
                (
                    "name",
                    models.TextField(
                        null=True, help_text="As published, in the payload's language."
                    ),
                ),
                ("name_ru", models.TextField(null=True)),
                ("name_uz", models.TextField(null=True)),
                ("name_en", models.TextField(null=True)),
                ("url", models.TextField(null=True)),
                (
                    "product_count",
                    models.IntegerField(null=True, help_text="As published by the platform."),
                ),
                ("search_vector", search_vector("name", "name_ru", "name_uz", "name_en")),
                (
                    "parent",
                    models.ForeignKey(
                        "ecommerce.category", models.SET_NULL, null=True, related_name="children"
                    ),
                ),
                ("level", models.SmallIntegerField(null=True, help_text="1 for a root.")),
                (
                    "path_ids",
                    models.JSONField(
                        null=True, help_text="external_id of the root, …, of this node."
                    ),
                ),
                (
                    "path_names",
                    models.TextField(
                        null=True,
                        help_text="Names from the root to this node, such as Electronics > Phones.",
                    ),
                ),
            ],
            options={
                "db_table": "ecommerce_categories",
                "verbose_name_plural": "categories",
                "indexes": [
                    GinIndex(fields=["search_vector"], name="ecommerce_categories_search"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("platform", "external_id"), name="ecommerce_categories_key"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Product",
            fields=[
                *_platform_row(),
                (
                    "title",
                    models.TextField(null=True, help_text="NULL until a payload has a title."),
                ),
                ("title_ru", models.TextField(null=True)),
                ("title_uz", models.TextField(null=True)),
                ("title_en", models.TextField(null=True)),
                (
                    "title_normalized",
                    models.TextField(
                        null=True,
                        help_text="Normalized title for matching across platforms, such as iphone 15 pro.",
                    ),
                ),
                ("description", models.TextField(null=True)),
                ("brand", models.TextField(null=True)),
                ("model", models.TextField(null=True)),
                ("sku", models.TextField(null=True, help_text="The seller's or vendor's code.")),
                ("barcode", models.TextField(null=True)),
                ("url", models.TextField(null=True)),
                ("images", models.JSONField(null=True, help_text="List of URLs.")),
                ("video_url", models.TextField(null=True)),
                ("tags", models.JSONField(null=True, help_text="List of badges as published.")),
                (
                    "attributes",
                    models.JSONField(
                        null=True, help_text="Properties without a column of their own."
                    ),
                ),
                (
                    "characteristics",
                    models.JSONField(null=True, help_text="List of {title, values}."),
                ),
                (
                    "category",
                    models.ForeignKey(
                        "ecommerce.category", models.SET_NULL, null=True, db_index=False
                    ),
                ),
                ("seller", models.ForeignKey("ecommerce.seller", models.SET_NULL, null=True)),
                ("rating", models.DecimalField(max_digits=3, decimal_places=2, null=True)),
                ("review_count", models.IntegerField(null=True)),
                (
                    "order_count",
                    models.IntegerField(
                        null=True, help_text="Total number of orders, as published."
                    ),
                ),
                ("is_available", models.BooleanField(null=True, help_text="NULL if unknown.")),
                (
                    "total_available",
                    models.IntegerField(null=True, help_text="Units in stock, across all offers."),
                ),
                ("min_price", models.DecimalField(max_digits=18, decimal_places=2, null=True)),
                ("max_price", models.DecimalField(max_digits=18, decimal_places=2, null=True)),
                ("currency", models.CharField(max_length=3, null=True, help_text="ISO 4217.")),
                ("is_eco", models.BooleanField(null=True)),
                ("is_adult", models.BooleanField(null=True)),
                ("is_perishable", models.BooleanField(null=True)),
                ("has_warranty", models.BooleanField(null=True)),
                (
                    "content_hash",
                    models.BinaryField(
                        null=True,
                        help_text="XXH3-128 of the newest observed content, if it can be hashed.",
                    ),
                ),
            ],
            options={
                "db_table": "ecommerce_products",
                "indexes": [
                    HashIndex(fields=["content_hash"], name="ecommerce_products_content"),
                    HashIndex(fields=["title_normalized"], name="ecommerce_products_title"),
                    models.Index(
                        fields=["category", "min_price"], name="ecommerce_products_category"
                    ),
                    GinIndex(
                        vector_of("title", "title_ru", "title_uz", "title_en", "brand"),
                        name="ecommerce_products_search",
                        gin_pending_list_limit=512,
                    ),
                    GinIndex(
                        fields=["attributes"],
                        name="ecommerce_products_attrs",
                        opclasses=["jsonb_path_ops"],
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("platform", "external_id"), name="ecommerce_products_key"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(max_price__gte=0, min_price__gte=0),
                        name="ecommerce_products_price",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Offer",
            fields=[
                *_platform_row(),
                (
                    "product",
                    models.ForeignKey(
                        "ecommerce.product", models.CASCADE, related_name="offers", db_index=False
                    ),
                ),
                (
                    "seller",
                    models.ForeignKey(
                        "ecommerce.seller", models.SET_NULL, null=True, related_name="offers"
                    ),
                ),
                ("variant_title", models.TextField(null=True)),
                ("variant_attributes", models.JSONField(null=True)),
                ("barcode", models.TextField(null=True)),
                ("price", models.DecimalField(max_digits=18, decimal_places=2)),
                ("old_price", models.DecimalField(max_digits=18, decimal_places=2, null=True)),
                (
                    "currency",
                    models.CharField(
                        max_length=3,
                        null=True,
                        help_text="ISO 4217; NULL if the feed does not specify it.",
                    ),
                ),
                (
                    "currency_text",
                    models.TextField(null=True, help_text="As published, if different."),
                ),
                ("discount_percent", _discount()),
                ("is_available", models.BooleanField(null=True, help_text="NULL if unknown.")),
                ("stock_quantity", models.IntegerField(null=True)),
                ("delivery_days", models.IntegerField(null=True)),
                (
                    "scraped_at",
                    models.DateTimeField(help_text="Time of the price observation."),
                ),
            ],
            options={
                "db_table": "ecommerce_offers",
                "indexes": [
                    models.Index(fields=["product", "price"], name="ecommerce_offers_product"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("platform", "external_id"), name="ecommerce_offers_key"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(price__gte=0), name="ecommerce_offers_price"
                    ),
                ],
            },
        ),
    ]
