"""Organizations, lots and their items, and the lists they refer to."""

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
        ("procurement", "0001_extensions"),
    ]

    operations = [
        migrations.CreateModel(
            name="Organization",
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
                (
                    "inn",
                    models.CharField(
                        help_text="Tax number; unique where known.", max_length=14, null=True
                    ),
                ),
                ("region", models.TextField(null=True)),
                ("is_customer", models.BooleanField(null=True)),
                ("is_provider", models.BooleanField(null=True)),
            ],
            options={
                "db_table": "procurement_organizations",
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(
                        fields=["name"],
                        name="procurement_organizations_name",
                        opclasses=["gin_trgm_ops"],
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("platform", "external_id"), name="procurement_organizations_key"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("inn__isnull", False)),
                        fields=("platform", "inn"),
                        name="procurement_organizations_inn",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Lot",
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
                    "display_no",
                    models.TextField(help_text="The number printed on documents.", null=True),
                ),
                ("title", models.TextField(null=True)),
                ("url", models.TextField(null=True)),
                (
                    "lot_type",
                    models.CharField(
                        choices=[
                            ("auction", "Auction"),
                            ("shop", "Electronic shop"),
                            ("national_shop", "National shop"),
                            ("tender", "Tender"),
                        ],
                        max_length=16,
                        null=True,
                    ),
                ),
                ("category_name", models.TextField(null=True)),
                ("category_code", models.TextField(null=True)),
                ("region", models.TextField(null=True)),
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
                                    models.F("category_name"), models.Value("")
                                ),
                                django.db.models.functions.comparison.Coalesce(
                                    models.F("display_no"), models.Value("")
                                ),
                            )
                        ),
                        output_field=django.contrib.postgres.search.SearchVectorField(),
                    ),
                ),
                (
                    "start_cost",
                    models.DecimalField(
                        decimal_places=2,
                        help_text="NULL when not published.",
                        max_digits=18,
                        null=True,
                    ),
                ),
                (
                    "deal_cost",
                    models.DecimalField(
                        decimal_places=2,
                        help_text="NULL when not published.",
                        max_digits=18,
                        null=True,
                    ),
                ),
                (
                    "savings_amount",
                    models.GeneratedField(
                        db_persist=True,
                        expression=django.db.models.expressions.CombinedExpression(
                            models.F("start_cost"), "-", models.F("deal_cost")
                        ),
                        help_text="NULL when either cost is unknown.",
                        output_field=models.DecimalField(
                            decimal_places=2, max_digits=18, null=True
                        ),
                    ),
                ),
                (
                    "savings_percent",
                    models.GeneratedField(
                        db_persist=True,
                        expression=django.db.models.functions.math.Round(
                            django.db.models.expressions.CombinedExpression(
                                models.Value(Decimal("100")),
                                "-",
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        models.F("deal_cost"), "*", models.Value(Decimal("100"))
                                    ),
                                    "/",
                                    django.db.models.functions.comparison.NullIf(
                                        models.F("start_cost"), models.Value(Decimal("0"))
                                    ),
                                ),
                            ),
                            precision=2,
                        ),
                        help_text="Percent of start_cost; NULL when either cost is unknown.",
                        output_field=models.DecimalField(
                            decimal_places=2, max_digits=22, null=True
                        ),
                    ),
                ),
                ("currency", models.CharField(help_text="ISO 4217.", max_length=3, null=True)),
                (
                    "currency_text",
                    models.TextField(help_text="As published, where it differs.", null=True),
                ),
                (
                    "is_budget",
                    models.BooleanField(help_text="Paid from the state budget.", null=True),
                ),
                ("participants_count", models.IntegerField(null=True)),
                ("beneficiary", models.TextField(null=True)),
                ("founder", models.TextField(null=True)),
                ("deal_id", models.TextField(null=True)),
                ("deal_date", models.DateTimeField(null=True)),
                (
                    "kazna_status",
                    models.TextField(help_text="Treasury status of the contract.", null=True),
                ),
                ("kazna_status_id", models.IntegerField(null=True)),
                ("payment_status", models.TextField(null=True)),
                (
                    "raw_data",
                    models.JSONField(
                        help_text="The newest payload about the lot itself.", null=True
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("active", "Active"),
                            ("completed", "Completed"),
                            ("cancelled", "Cancelled"),
                            ("failed", "Failed"),
                        ],
                        max_length=16,
                        null=True,
                    ),
                ),
                ("starts_at", models.DateTimeField(null=True)),
                ("ends_at", models.DateTimeField(null=True)),
                (
                    "customer",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="purchases",
                        to="procurement.organization",
                    ),
                ),
                (
                    "provider",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="sales",
                        to="procurement.organization",
                    ),
                ),
            ],
            options={
                "db_table": "procurement_lots",
            },
        ),
        migrations.CreateModel(
            name="Reference",
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
                ("kind", models.CharField(help_text="category, region or other", max_length=32)),
                ("code", models.TextField(help_text="The entry's id within its list.")),
                ("name", models.TextField(null=True)),
            ],
            options={
                "db_table": "procurement_references",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("platform", "external_id"), name="procurement_references_key"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="LotItem",
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
                ("order_num", models.IntegerField()),
                ("product_name", models.TextField(null=True)),
                ("description", models.TextField(null=True)),
                ("country_name", models.TextField(help_text="As published.", null=True)),
                ("properties", models.JSONField(help_text="List of {name, value}.", null=True)),
                (
                    "search_vector",
                    models.GeneratedField(
                        db_persist=True,
                        expression=marketplace.postgresql.search.Vector(
                            marketplace.postgresql.search.Joined(
                                django.db.models.functions.comparison.Coalesce(
                                    models.F("product_name"), models.Value("")
                                ),
                                django.db.models.functions.comparison.Coalesce(
                                    models.F("description"), models.Value("")
                                ),
                            )
                        ),
                        output_field=django.contrib.postgres.search.SearchVectorField(),
                    ),
                ),
                ("quantity", models.DecimalField(decimal_places=4, max_digits=20, null=True)),
                ("measure_name", models.TextField(null=True)),
                (
                    "price",
                    models.DecimalField(
                        decimal_places=2, help_text="For one unit.", max_digits=18, null=True
                    ),
                ),
                (
                    "cost",
                    models.DecimalField(
                        decimal_places=2,
                        help_text="For the whole quantity.",
                        max_digits=18,
                        null=True,
                    ),
                ),
                ("currency", models.CharField(help_text="ISO 4217.", max_length=3, null=True)),
                (
                    "currency_text",
                    models.TextField(help_text="As published, where it differs.", null=True),
                ),
                (
                    "lot",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="items",
                        to="procurement.lot",
                    ),
                ),
            ],
            options={
                "db_table": "procurement_lot_items",
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(
                        fields=["search_vector"], name="procurement_lot_items_search"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("platform", "external_id"), name="procurement_lot_items_key"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("cost__gte", 0), ("price__gte", 0), ("quantity__gte", 0)
                        ),
                        name="procurement_lot_items_cost",
                    ),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="lot",
            index=models.Index(
                condition=models.Q(
                    ("deal_cost__gt", 0), ("start_cost__gt", 0), ("status", "completed")
                ),
                fields=["category_name"],
                include=("start_cost", "deal_cost"),
                name="procurement_lots_savings",
            ),
        ),
        migrations.AddIndex(
            model_name="lot",
            index=models.Index(fields=["-deal_date"], name="procurement_lots_deal_date"),
        ),
        migrations.AddIndex(
            model_name="lot",
            index=django.contrib.postgres.indexes.GinIndex(
                fields=["search_vector"], name="procurement_lots_search"
            ),
        ),
        migrations.AddConstraint(
            model_name="lot",
            constraint=models.UniqueConstraint(
                fields=("platform", "external_id"), name="procurement_lots_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="lot",
            constraint=models.CheckConstraint(
                condition=models.Q(("deal_cost__gte", 0), ("start_cost__gte", 0)),
                name="procurement_lots_cost",
            ),
        ),
        migrations.AddConstraint(
            model_name="lot",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["active", "completed", "cancelled", "failed"])),
                name="procurement_lots_status",
            ),
        ),
        migrations.AddConstraint(
            model_name="lot",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("lot_type__in", ["auction", "shop", "national_shop", "tender"])
                ),
                name="procurement_lots_type",
            ),
        ),
    ]
