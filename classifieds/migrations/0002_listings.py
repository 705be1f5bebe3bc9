"""Categories, sellers, listings and their events."""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
import django.db.models.functions.comparison
from django.db import migrations, models

import marketplace.postgresql.search


class Migration(migrations.Migration):
    dependencies = [
        ("classifieds", "0001_extensions"),
    ]

    operations = [
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
                ("name", models.TextField(null=True)),
                ("path", models.TextField(help_text="As published.", null=True)),
                ("level", models.SmallIntegerField(help_text="1 for a root.", null=True)),
                (
                    "parent",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="children",
                        to="classifieds.category",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "categories",
                "db_table": "classifieds_categories",
            },
        ),
        migrations.CreateModel(
            name="Listing",
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
                ("title", models.TextField(null=True)),
                ("description", models.TextField(null=True)),
                ("url", models.TextField(null=True)),
                (
                    "category_path",
                    models.TextField(help_text="Canonical: transport/cars", null=True),
                ),
                ("category_name", models.TextField(help_text="As published.", null=True)),
                ("images", models.JSONField(help_text="List of URLs.", null=True)),
                ("attributes", models.JSONField(help_text="Parameters as published.", null=True)),
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
                                    models.F("description"), models.Value("")
                                ),
                            )
                        ),
                        output_field=django.contrib.postgres.search.SearchVectorField(),
                    ),
                ),
                ("price", models.DecimalField(decimal_places=2, max_digits=18, null=True)),
                ("currency", models.CharField(help_text="ISO 4217.", max_length=3, null=True)),
                ("currency_text", models.TextField(help_text="As published.", null=True)),
                ("is_negotiable", models.BooleanField(null=True)),
                ("is_price_on_request", models.BooleanField(null=True)),
                ("location", models.TextField(help_text="As published.", null=True)),
                ("city", models.TextField(help_text="Canonical Latin name: Tashkent", null=True)),
                ("region", models.TextField(help_text="Canonical Latin name.", null=True)),
                ("district", models.TextField(help_text="As published.", null=True)),
                ("latitude", models.DecimalField(decimal_places=6, max_digits=9, null=True)),
                ("longitude", models.DecimalField(decimal_places=6, max_digits=9, null=True)),
                (
                    "condition",
                    models.CharField(
                        choices=[("new", "New"), ("used", "Used"), ("damaged", "Damaged")],
                        max_length=16,
                        null=True,
                    ),
                ),
                ("condition_text", models.TextField(help_text="As published.", null=True)),
                ("brand", models.TextField(null=True)),
                ("model", models.TextField(null=True)),
                ("year", models.SmallIntegerField(null=True)),
                ("mileage", models.IntegerField(help_text="Kilometers.", null=True)),
                ("area_sqm", models.DecimalField(decimal_places=2, max_digits=12, null=True)),
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
                    "category",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to="classifieds.category",
                    ),
                ),
            ],
            options={
                "db_table": "classifieds_listings",
            },
        ),
        migrations.CreateModel(
            name="ListingEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
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
                ("old_price", models.DecimalField(decimal_places=2, max_digits=18, null=True)),
                ("new_price", models.DecimalField(decimal_places=2, max_digits=18, null=True)),
                ("old_currency", models.CharField(max_length=3, null=True)),
                ("new_currency", models.CharField(max_length=3, null=True)),
                ("old_status", models.CharField(max_length=16, null=True)),
                ("new_status", models.CharField(max_length=16, null=True)),
                (
                    "recorded_at",
                    models.DateTimeField(help_text="When the platform showed the new state."),
                ),
                (
                    "listing",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="events",
                        to="classifieds.listing",
                    ),
                ),
            ],
            options={
                "db_table": "classifieds_listing_events",
            },
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
                ("is_business", models.BooleanField(null=True)),
                ("registered_at", models.DateTimeField(null=True)),
                ("attributes", models.JSONField(null=True)),
            ],
            options={
                "db_table": "classifieds_sellers",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("platform", "external_id"), name="classifieds_sellers_key"
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="listing",
            name="seller",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="listings",
                to="classifieds.seller",
            ),
        ),
        migrations.AddConstraint(
            model_name="category",
            constraint=models.UniqueConstraint(
                fields=("platform", "external_id"), name="classifieds_categories_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="listingevent",
            constraint=models.UniqueConstraint(
                fields=("listing", "recorded_at", "kind"), name="classifieds_listing_events_key"
            ),
        ),
        migrations.AddIndex(
            model_name="listing",
            index=models.Index(
                models.F("city"),
                django.contrib.postgres.indexes.OpClass(
                    models.F("category_path"), name="text_pattern_ops"
                ),
                models.F("price"),
                condition=models.Q(("status", "active")),
                name="classifieds_listings_browse",
            ),
        ),
        migrations.AddIndex(
            model_name="listing",
            index=models.Index(fields=["-posted_at"], name="classifieds_listings_posted"),
        ),
        migrations.AddIndex(
            model_name="listing",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["search_vector"], name="classifieds_listings_search"
            ),
        ),
        migrations.AddIndex(
            model_name="listing",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["attributes"],
                name="classifieds_listings_attrs",
                opclasses=["jsonb_path_ops"],
            ),
        ),
        migrations.AddIndex(
            model_name="listing",
            index=django.contrib.postgres.indexes.GistIndex(
                models.Func(models.F("latitude"), models.F("longitude"), function="ll_to_earth"),
                condition=models.Q(("status", "active")),
                name="classifieds_listings_earth",
            ),
        ),
        migrations.AddConstraint(
            model_name="listing",
            constraint=models.UniqueConstraint(
                fields=("platform", "external_id"), name="classifieds_listings_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="listing",
            constraint=models.CheckConstraint(
                condition=models.Q(("price__gte", 0)), name="classifieds_listings_price"
            ),
        ),
        migrations.AddConstraint(
            model_name="listing",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("latitude__gte", -90),
                    ("latitude__lte", 90),
                    ("longitude__gte", -180),
                    ("longitude__lte", 180),
                ),
                name="classifieds_listings_place",
            ),
        ),
        migrations.AddConstraint(
            model_name="listing",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["active", "sold", "expired", "removed", "suspended"])
                ),
                name="classifieds_listings_status",
            ),
        ),
        migrations.AddConstraint(
            model_name="listing",
            constraint=models.CheckConstraint(
                condition=models.Q(("condition__in", ["new", "used", "damaged"])),
                name="classifieds_listings_condition",
            ),
        ),
    ]
