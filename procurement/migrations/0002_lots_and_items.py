"""Organizations, lots, the items of lots, and the platforms' reference lists."""

from decimal import Decimal

from django.contrib.postgres.indexes import GinIndex, HashIndex
from django.db import migrations, models
from django.db.models import F, Value
from django.db.models.functions import NullIf, Round

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


_SAVINGS_AMOUNT = models.GeneratedField(
    expression=F("start_cost") - F("deal_cost"),
    output_field=models.DecimalField(max_digits=18, decimal_places=2, null=True),
    db_persist=True,
    help_text="NULL if a cost is unknown.",
)

_SAVINGS_PERCENT = models.GeneratedField(
    expression=Round(
        Value(Decimal(100))
        - F("deal_cost") * Value(Decimal(100)) / NullIf(F("start_cost"), Value(Decimal(0))),
        precision=2,
    ),
    output_field=models.DecimalField(max_digits=22, decimal_places=2, null=True),
    db_persist=True,
    help_text="Percent of start_cost; NULL if a cost is unknown.",
)


class Migration(migrations.Migration):
    dependencies = [("procurement", "0001_extensions")]

    operations = [
        migrations.CreateModel(
            name="Organization",
            fields=[
                *_platform_row(),
                ("name", models.TextField(null=True)),
                (
                    "inn",
                    models.CharField(
                        max_length=14,
                        null=True,
                        help_text="Tax number; unique within a platform, if known.",
                    ),
                ),
                ("region", models.TextField(null=True)),
                ("is_customer", models.BooleanField(null=True)),
                ("is_provider", models.BooleanField(null=True)),
            ],
            options={
                "db_table": "procurement_organizations",
                "indexes": [
                    GinIndex(
                        fields=["name"],
                        name="procurement_organizations_name",
                        opclasses=["gin_trgm_ops"],
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("platform", "external_id"), name="procurement_organizations_key"
                    ),
                    models.UniqueConstraint(
                        fields=("platform", "inn"),
                        condition=models.Q(inn__isnull=False),
                        name="procurement_organizations_inn",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Lot",
            fields=[
                *_platform_row(),
                (
                    "display_no",
                    models.TextField(null=True, help_text="The number printed on documents."),
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
                ("search_vector", search_vector("title", "category_name", "display_no")),
                (
                    "start_cost",
                    models.DecimalField(
                        max_digits=18,
                        decimal_places=2,
                        null=True,
                        help_text="NULL if not published.",
                    ),
                ),
                (
                    "deal_cost",
                    models.DecimalField(
                        max_digits=18,
                        decimal_places=2,
                        null=True,
                        help_text="NULL if not published.",
                    ),
                ),
                ("savings_amount", _SAVINGS_AMOUNT),
                ("savings_percent", _SAVINGS_PERCENT),
                ("currency", models.CharField(max_length=3, null=True, help_text="ISO 4217.")),
                (
                    "currency_text",
                    models.TextField(null=True, help_text="As published, if different."),
                ),
                (
                    "is_budget",
                    models.BooleanField(null=True, help_text="Paid from the state budget."),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        "procurement.organization",
                        models.SET_NULL,
                        null=True,
                        related_name="purchases",
                    ),
                ),
                (
                    "provider",
                    models.ForeignKey(
                        "procurement.organization", models.SET_NULL, null=True, related_name="sales"
                    ),
                ),
                ("participants_count", models.IntegerField(null=True)),
                ("beneficiary", models.TextField(null=True)),
                ("founder", models.TextField(null=True)),
                ("deal_id", models.TextField(null=True)),
                ("deal_date", models.DateTimeField(null=True)),
                (
                    "kazna_status",
                    models.TextField(null=True, help_text="Treasury status of the contract."),
                ),
                ("kazna_status_id", models.IntegerField(null=True)),
                ("payment_status", models.TextField(null=True)),
                (
                    "raw_data",
                    models.JSONField(
                        null=True, help_text="The newest payload about the lot itself."
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
                    "content_hash",
                    models.BinaryField(
                        null=True,
                        help_text="XXH3-128 of the newest observed content, if it can be hashed.",
                    ),
                ),
            ],
            options={
                "db_table": "procurement_lots",
                "indexes": [
                    HashIndex(fields=["content_hash"], name="procurement_lots_content"),
                    models.Index(
                        fields=["category_name"],
                        include=("start_cost", "deal_cost"),
                        name="procurement_lots_savings",
                        condition=models.Q(deal_cost__gt=0, start_cost__gt=0, status="completed"),
                    ),
                    models.Index(fields=["-deal_date"], name="procurement_lots_deal_date"),
                    GinIndex(fields=["search_vector"], name="procurement_lots_search"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("platform", "external_id"), name="procurement_lots_key"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(deal_cost__gte=0, start_cost__gte=0),
                        name="procurement_lots_cost",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            status__in=["active", "completed", "cancelled", "failed"]
                        ),
                        name="procurement_lots_status",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            lot_type__in=["auction", "shop", "national_shop", "tender"]
                        ),
                        name="procurement_lots_type",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="LotItem",
            fields=[
                *_platform_row(),
                ("lot", models.ForeignKey("procurement.lot", models.CASCADE, related_name="items")),
                ("order_num", models.IntegerField()),
                ("product_name", models.TextField(null=True)),
                ("description", models.TextField(null=True)),
                ("country_name", models.TextField(null=True, help_text="As published.")),
                ("properties", models.JSONField(null=True, help_text="List of {name, value}.")),
                ("search_vector", search_vector("product_name", "description")),
                ("quantity", models.DecimalField(max_digits=20, decimal_places=4, null=True)),
                ("measure_name", models.TextField(null=True)),
                (
                    "price",
                    models.DecimalField(
                        max_digits=18, decimal_places=2, null=True, help_text="For one unit."
                    ),
                ),
                (
                    "cost",
                    models.DecimalField(
                        max_digits=18,
                        decimal_places=2,
                        null=True,
                        help_text="For the whole quantity.",
                    ),
                ),
                ("currency", models.CharField(max_length=3, null=True, help_text="ISO 4217.")),
                (
                    "currency_text",
                    models.TextField(null=True, help_text="As published, if different."),
                ),
                (
                    "content_hash",
                    models.BinaryField(
                        null=True,
                        help_text="XXH3-128 of the newest observed content, if it can be hashed.",
                    ),
                ),
            ],
            options={
                "db_table": "procurement_lot_items",
                "indexes": [
                    HashIndex(fields=["content_hash"], name="procurement_lot_items_content"),
                    GinIndex(fields=["search_vector"], name="procurement_lot_items_search"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("platform", "external_id"), name="procurement_lot_items_key"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(cost__gte=0, price__gte=0, quantity__gte=0),
                        name="procurement_lot_items_cost",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Reference",
            fields=[
                *_platform_row(),
                (
                    "kind",
                    models.CharField(
                        max_length=32, help_text="Name of the list: category, region or other."
                    ),
                ),
                ("code", models.TextField(help_text="Id of the entry in its list.")),
                ("name", models.TextField(null=True)),
            ],
            options={
                "db_table": "procurement_references",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("platform", "external_id"), name="procurement_references_key"
                    ),
                ],
            },
        ),
    ]
