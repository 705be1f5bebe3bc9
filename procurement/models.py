"""All tables of the procurement database."""

from django.contrib.postgres.indexes import GinIndex, HashIndex
from django.db import models
from django.db.models import F, GeneratedField, Q

from marketplace import models as base
from marketplace.loading import models as loading
from marketplace.postgresql.search import SearchableQuerySet, search_vector


class Organization(base.PlatformRow):
    """A customer, a provider, or both."""

    # Identification
    name = models.TextField(null=True)
    inn = models.CharField(
        max_length=14, null=True, help_text="Tax number; unique within a platform, if known."
    )

    # Description
    region = models.TextField(null=True)
    is_customer = models.BooleanField(null=True)
    is_provider = models.BooleanField(null=True)

    class Meta:
        db_table = "procurement_organizations"
        constraints = [
            # Used by the merge of the loader as the key.
            models.UniqueConstraint(
                fields=["platform", "external_id"], name="procurement_organizations_key"
            ),
            models.UniqueConstraint(
                fields=["platform", "inn"],
                condition=Q(inn__isnull=False),
                name="procurement_organizations_inn",
            ),
        ]
        indexes = [
            # Used by the admin to search for a part of a name.
            GinIndex(
                fields=["name"],
                name="procurement_organizations_name",
                opclasses=["gin_trgm_ops"],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name or 'Organization'} ({self.inn or self.external_id})"


class Lot(base.PlatformRow):
    """A lot of a public purchase, as last seen."""

    class Type(models.TextChoices):
        """The procedure of the purchase."""

        AUCTION = "auction", "Auction"
        SHOP = "shop", "Electronic shop"
        NATIONAL_SHOP = "national_shop", "National shop"
        TENDER = "tender", "Tender"

    class Status(models.TextChoices):
        """The state of the lot."""

        ACTIVE = "active", "Active"
        COMPLETED = "completed", "Completed"
        CANCELLED = "cancelled", "Cancelled"
        FAILED = "failed", "Failed"

    # Identification
    display_no = models.TextField(null=True, help_text="The number printed on documents.")
    title = models.TextField(null=True)
    url = models.TextField(null=True)
    lot_type = models.CharField(max_length=16, null=True, choices=Type)
    category_name = models.TextField(null=True)
    category_code = models.TextField(null=True)
    region = models.TextField(null=True)
    search_vector = search_vector("title", "category_name", "display_no")

    # Cost
    start_cost = models.DecimalField(
        max_digits=18, decimal_places=2, null=True, help_text="NULL if not published."
    )
    deal_cost = models.DecimalField(
        max_digits=18, decimal_places=2, null=True, help_text="NULL if not published."
    )
    savings_amount = GeneratedField(
        expression=F("start_cost") - F("deal_cost"),
        output_field=models.DecimalField(max_digits=18, decimal_places=2, null=True),
        db_persist=True,
        help_text="NULL if a cost is unknown.",
    )
    savings_percent = base.percent_below(
        "deal_cost", "start_cost", "Percent of start_cost; NULL if a cost is unknown."
    )
    currency = models.CharField(
        max_length=3, null=True, help_text="Currency code (ISO 4217), such as UZS."
    )
    currency_text = models.TextField(null=True, help_text="As published, if different.")
    is_budget = models.BooleanField(null=True, help_text="Paid from the state budget.")

    # Parties
    customer = models.ForeignKey(Organization, models.SET_NULL, null=True, related_name="purchases")
    provider = models.ForeignKey(Organization, models.SET_NULL, null=True, related_name="sales")
    participants_count = models.IntegerField(null=True)
    beneficiary = models.TextField(null=True)
    founder = models.TextField(null=True)

    # Deal and treasury
    deal_id = models.TextField(null=True)
    deal_date = models.DateTimeField(null=True)
    kazna_status = models.TextField(null=True, help_text="Treasury status of the contract.")
    kazna_status_id = models.IntegerField(null=True)
    payment_status = models.TextField(null=True)

    # Provenance
    raw_data = models.JSONField(null=True, help_text="The newest payload about the lot itself.")

    # Lifecycle
    status = models.CharField(max_length=16, null=True, choices=Status)
    starts_at = models.DateTimeField(null=True)
    ends_at = models.DateTimeField(null=True)

    # Provenance
    content_hash = base.content_hash()

    objects = SearchableQuerySet.as_manager()

    class Meta:
        db_table = "procurement_lots"
        constraints = [
            # Used by the merge of the loader as the key.
            models.UniqueConstraint(
                fields=["platform", "external_id"], name="procurement_lots_key"
            ),
            models.CheckConstraint(
                condition=Q(start_cost__gte=0, deal_cost__gte=0), name="procurement_lots_cost"
            ),
            models.CheckConstraint(
                condition=Q(status__in=["active", "completed", "cancelled", "failed"]),
                name="procurement_lots_status",
            ),
            models.CheckConstraint(
                condition=Q(lot_type__in=["auction", "shop", "national_shop", "tender"]),
                name="procurement_lots_type",
            ),
        ]
        indexes = [
            # Used by marketplace.loading.deduplication: unchanged content is not parsed again.
            HashIndex(fields=["content_hash"], name="procurement_lots_content"),
            # Used by queries of savings per category, as an index-only scan.
            models.Index(
                fields=["category_name"],
                include=["start_cost", "deal_cost"],
                name="procurement_lots_savings",
                condition=Q(status="completed", start_cost__gt=0, deal_cost__gt=0),
            ),
            # Used by queries of deals in a range of time.
            models.Index(fields=["-deal_date"], name="procurement_lots_deal_date"),
            # Used by SearchableQuerySet.search().
            GinIndex(fields=["search_vector"], name="procurement_lots_search"),
        ]

    def __str__(self) -> str:
        return f"Lot {self.external_id}"


class LotItem(base.PlatformRow):
    """An item of a lot: a product or service, with quantity and price."""

    # Identification
    lot = models.ForeignKey(Lot, models.CASCADE, related_name="items")
    order_num = models.IntegerField()

    # Description
    product_name = models.TextField(null=True)
    description = models.TextField(null=True)
    country_name = models.TextField(null=True, help_text="As published.")
    properties = models.JSONField(null=True, help_text="List of {name, value}.")
    search_vector = search_vector("product_name", "description")

    # Cost
    quantity = models.DecimalField(max_digits=20, decimal_places=4, null=True)
    measure_name = models.TextField(null=True)
    price = models.DecimalField(
        max_digits=18, decimal_places=2, null=True, help_text="For one unit."
    )
    cost = models.DecimalField(
        max_digits=18, decimal_places=2, null=True, help_text="For the whole quantity."
    )
    currency = models.CharField(
        max_length=3, null=True, help_text="Currency code (ISO 4217), such as UZS."
    )
    currency_text = models.TextField(null=True, help_text="As published, if different.")

    # Provenance
    content_hash = base.content_hash()

    objects = SearchableQuerySet.as_manager()

    class Meta:
        db_table = "procurement_lot_items"
        constraints = [
            # Used by the merge of the loader as the key.
            models.UniqueConstraint(
                fields=["platform", "external_id"], name="procurement_lot_items_key"
            ),
            models.CheckConstraint(
                condition=Q(price__gte=0, cost__gte=0, quantity__gte=0),
                name="procurement_lot_items_cost",
            ),
        ]
        indexes = [
            # Used by marketplace.loading.deduplication: unchanged content is not parsed again.
            HashIndex(fields=["content_hash"], name="procurement_lot_items_content"),
            # Used by SearchableQuerySet.search().
            GinIndex(fields=["search_vector"], name="procurement_lot_items_search"),
        ]

    def __str__(self) -> str:
        return f"{self.product_name or 'Item'} ({self.platform} {self.external_id})"


class LotEvent(models.Model):
    """A change of a lot, with its payload. A trigger makes the table append-only."""

    class Kind(models.TextChoices):
        """The kind of the change."""

        CREATED = "created", "First seen"
        CHANGED = "changed", "Changed"

    # Identification
    lot = models.ForeignKey(Lot, models.DO_NOTHING, related_name="events", db_index=False)
    kind = models.CharField(max_length=16, choices=Kind)

    # Change
    changes = models.JSONField(help_text="Column → [before, after].")
    payload = models.JSONField(null=True, help_text="The payload with the change.")

    # Lifecycle
    recorded_at = models.DateTimeField(help_text="Time at which the new state was observed.")
    created_at = models.DateTimeField(help_text="Time at which the event was stored.")

    class Meta:
        db_table = "procurement_lot_events"
        indexes = [
            # Used by queries of a lot's audit trail.
            models.Index(fields=["lot", "recorded_at"], name="procurement_lot_events_lot"),
            # Used by the list in the admin: newest first, and ranges of days.
            models.Index(fields=["recorded_at"], name="procurement_events_recorded"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of lot {self.lot_id} (event {self.pk})"


class Reference(base.PlatformRow):
    """An entry of a reference list of a platform: categories, regions."""

    kind = models.CharField(max_length=32, help_text="Name of the list: category, region or other.")
    code = models.TextField(help_text="Id of the entry in its list.")
    name = models.TextField(null=True)

    class Meta:
        db_table = "procurement_references"
        constraints = [
            # Used by the merge of the loader as the key.
            models.UniqueConstraint(
                fields=["platform", "external_id"], name="procurement_references_key"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name or 'Reference'} ({self.platform} {self.external_id})"


class LoadRun(loading.LoadRun):
    """A run of `ingest` into this database."""

    class Meta(loading.LoadRun.Meta):
        db_table = "procurement_load_runs"


class LoadSource(loading.LoadSource):
    """A source of a run into this database."""

    class Meta(loading.LoadSource.Meta):
        db_table = "procurement_load_sources"


class LoadChunk(loading.LoadChunk):
    """Records that a run into this database has yet to load."""

    class Meta(loading.LoadChunk.Meta):
        db_table = "procurement_load_chunks"


class QuarantinedRecord(loading.QuarantinedRecord):
    """A record of this database's platforms that could not be loaded."""

    class Meta(loading.QuarantinedRecord.Meta):
        db_table = "procurement_quarantine"


class ExchangeRate(base.ExchangeRate):
    """A rate for the prices of this database."""

    class Meta(base.ExchangeRate.Meta):
        db_table = "procurement_exchange_rates"


class Rollup(base.Rollup):
    """The state of a rollup of this database."""

    class Meta(base.Rollup.Meta):
        db_table = "procurement_rollups"
