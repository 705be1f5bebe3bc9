"""Categories, sellers, listings and their events."""

from django.contrib.postgres.indexes import GinIndex, GistIndex, HashIndex, OpClass
from django.db import migrations, models

from marketplace.postgresql.search import search_vector


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


class Migration(migrations.Migration):
    dependencies = [("classifieds", "0001_extensions")]

    operations = [
        migrations.CreateModel(
            name="Category",
            fields=[
                *_platform_row(),
                ("name", models.TextField(null=True)),
                ("path", models.TextField(null=True, help_text="As published.")),
                (
                    "parent",
                    models.ForeignKey(
                        "classifieds.category", models.SET_NULL, null=True, related_name="children"
                    ),
                ),
                ("level", models.SmallIntegerField(null=True, help_text="1 for a root.")),
            ],
            options={
                "db_table": "classifieds_categories",
                "verbose_name_plural": "categories",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("platform", "external_id"), name="classifieds_categories_key"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Seller",
            fields=[
                *_platform_row(),
                ("name", models.TextField(null=True)),
                ("is_business", models.BooleanField(null=True)),
                ("registered_at", models.DateTimeField(null=True)),
                ("attributes", models.JSONField(null=True)),
            ],
            options={
                "db_table": "classifieds_sellers",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("platform", "external_id"), name="classifieds_sellers_key"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Listing",
            fields=[
                *_platform_row(),
                ("title", models.TextField(null=True)),
                ("description", models.TextField(null=True)),
                ("url", models.TextField(null=True)),
                ("category", models.ForeignKey("classifieds.category", models.SET_NULL, null=True)),
                (
                    "category_path",
                    models.TextField(
                        null=True, help_text="Canonical path, such as transport/cars."
                    ),
                ),
                ("category_name", models.TextField(null=True, help_text="As published.")),
                (
                    "seller",
                    models.ForeignKey(
                        "classifieds.seller", models.SET_NULL, null=True, related_name="listings"
                    ),
                ),
                ("images", models.JSONField(null=True, help_text="List of URLs.")),
                ("attributes", models.JSONField(null=True, help_text="Parameters as published.")),
                ("search_vector", search_vector("title", "description")),
                ("price", models.DecimalField(max_digits=18, decimal_places=2, null=True)),
                ("currency", models.CharField(max_length=3, null=True, help_text="ISO 4217.")),
                ("currency_text", models.TextField(null=True, help_text="As published.")),
                ("is_negotiable", models.BooleanField(null=True)),
                ("is_price_on_request", models.BooleanField(null=True)),
                ("location", models.TextField(null=True, help_text="As published.")),
                (
                    "city",
                    models.TextField(
                        null=True, help_text="Canonical name in Latin script, such as Tashkent."
                    ),
                ),
                (
                    "region",
                    models.TextField(null=True, help_text="Canonical name in Latin script."),
                ),
                ("district", models.TextField(null=True, help_text="As published.")),
                (
                    "district_canonical",
                    models.TextField(
                        null=True, help_text="Canonical name in Latin script, such as Yakkasaray."
                    ),
                ),
                ("latitude", models.DecimalField(max_digits=9, decimal_places=6, null=True)),
                ("longitude", models.DecimalField(max_digits=9, decimal_places=6, null=True)),
                (
                    "condition",
                    models.CharField(
                        choices=[("new", "New"), ("used", "Used"), ("damaged", "Damaged")],
                        max_length=16,
                        null=True,
                    ),
                ),
                ("condition_text", models.TextField(null=True, help_text="As published.")),
                ("brand", models.TextField(null=True)),
                ("model", models.TextField(null=True)),
                ("year", models.SmallIntegerField(null=True)),
                ("mileage", models.IntegerField(null=True, help_text="Kilometers.")),
                ("area_sqm", models.DecimalField(max_digits=12, decimal_places=2, null=True)),
                ("rooms", models.SmallIntegerField(null=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("active", "Active"),
                            ("sold", "Sold"),
                            ("expired", "Expired"),
                            ("removed", "Removed"),
                            ("suspended", "Suspended"),
                        ],
                        max_length=16,
                        null=True,
                    ),
                ),
                ("posted_at", models.DateTimeField(null=True)),
                ("expires_at", models.DateTimeField(null=True)),
                ("sold_at", models.DateTimeField(null=True)),
                ("bumped_at", models.DateTimeField(null=True)),
                (
                    "content_hash",
                    models.BinaryField(
                        null=True,
                        help_text="XXH3-128 of the newest observed content, if it can be hashed.",
                    ),
                ),
            ],
            options={
                "db_table": "classifieds_listings",
                "indexes": [
                    HashIndex(fields=["content_hash"], name="classifieds_listings_content"),
                    models.Index(
                        models.F("city"),
                        OpClass(models.F("category_path"), name="text_pattern_ops"),
                        models.F("price"),
                        name="classifieds_listings_browse",
                        condition=models.Q(status="active"),
                    ),
                    models.Index(fields=["-posted_at"], name="classifieds_listings_posted"),
                    GinIndex(fields=["search_vector"], name="classifieds_listings_search"),
                    GinIndex(
                        fields=["attributes"],
                        name="classifieds_listings_attrs",
                        opclasses=["jsonb_path_ops"],
                    ),
                    GistIndex(
                        models.Func(
                            models.F("latitude"), models.F("longitude"), function="ll_to_earth"
                        ),
                        name="classifieds_listings_earth",
                        condition=models.Q(status="active"),
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("platform", "external_id"), name="classifieds_listings_key"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(price__gte=0), name="classifieds_listings_price"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            latitude__gte=-90,
                            latitude__lte=90,
                            longitude__gte=-180,
                            longitude__lte=180,
                        ),
                        name="classifieds_listings_place",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            status__in=["active", "sold", "expired", "removed", "suspended"]
                        ),
                        name="classifieds_listings_status",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(condition__in=["new", "used", "damaged"]),
                        name="classifieds_listings_condition",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ListingEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        verbose_name="ID", primary_key=True, serialize=False, auto_created=True
                    ),
                ),
                (
                    "listing",
                    models.ForeignKey(
                        "classifieds.listing", models.CASCADE, related_name="events", db_index=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("posted", "First seen"),
                            ("price", "Price changed"),
                            ("status", "Status changed"),
                        ],
                        max_length=16,
                    ),
                ),
                ("old_price", models.DecimalField(max_digits=18, decimal_places=2, null=True)),
                ("new_price", models.DecimalField(max_digits=18, decimal_places=2, null=True)),
                ("old_currency", models.CharField(max_length=3, null=True)),
                ("new_currency", models.CharField(max_length=3, null=True)),
                ("old_status", models.CharField(max_length=16, null=True)),
                ("new_status", models.CharField(max_length=16, null=True)),
                (
                    "recorded_at",
                    models.DateTimeField(help_text="Time at which the new state was observed."),
                ),
            ],
            options={
                "db_table": "classifieds_listing_events",
                "indexes": [
                    models.Index(fields=["recorded_at"], name="classifieds_events_recorded"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("listing", "recorded_at", "kind"),
                        name="classifieds_listing_events_key",
                    ),
                ],
            },
        ),
    ]
