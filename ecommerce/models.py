"""All tables of the e-commerce database."""

from django.contrib.postgres.indexes import GinIndex, HashIndex
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import LPad
from django.utils import timezone

from marketplace import models as base
from marketplace.loading import models as loading
from marketplace.loading.models import payloads
from marketplace.postgresql.search import SearchableQuerySet, search_vector, vector_of

_DISCOUNT = "By how many percent price is below old_price; NULL without old_price."


class Seller(base.PlatformRow):
    """A shop on a platform."""

    # Description
    name = models.TextField(null=True)
    slug = models.TextField(null=True)
    link = models.TextField(null=True)
    description = models.TextField(null=True)
    attributes = models.JSONField(null=True)

    # Standing
    rating = models.DecimalField(max_digits=3, decimal_places=2, null=True)
    review_count = models.IntegerField(null=True)
    order_count = models.IntegerField(null=True)
    product_count = models.IntegerField(null=True, help_text="As published by the platform.")
    is_official = models.BooleanField(null=True)
    is_verified = models.BooleanField(null=True)
    is_active = models.BooleanField(null=True)

    # Lifecycle
    registered_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "ecommerce_sellers"
        constraints = [
            # Used by the merge of the loader as the key.
            models.UniqueConstraint(
                fields=["platform", "external_id"], name="ecommerce_sellers_key"
            ),
            models.CheckConstraint(
                condition=Q(rating__gte=0, rating__lte=5), name="ecommerce_sellers_rating"
            ),
        ]
        indexes = [
            # Used by the admin to search for a part of a name.
            GinIndex(fields=["name"], name="ecommerce_sellers_name", opclasses=["gin_trgm_ops"]),
        ]

    def __str__(self) -> str:
        return f"{self.name or 'Seller'} ({self.platform} {self.external_id})"


class Category(base.PlatformRow):
    """A node of a platform's category tree."""

    # Description
    name = models.TextField(null=True, help_text="As published, in the payload's language.")
    name_ru = models.TextField(null=True)
    name_uz = models.TextField(null=True)
    name_en = models.TextField(null=True)
    url = models.TextField(null=True)
    product_count = models.IntegerField(null=True, help_text="As published by the platform.")
    search_vector = search_vector("name", "name_ru", "name_uz", "name_en")

    # Place in the tree
    parent = models.ForeignKey("self", models.SET_NULL, null=True, related_name="children")
    level = models.SmallIntegerField(null=True, help_text="1 for a root.")
    path_ids = models.JSONField(null=True, help_text="external_id of the root, …, of this node.")
    path_names = models.TextField(
        null=True, help_text="Names from the root to this node, such as Electronics > Phones."
    )

    objects = SearchableQuerySet.as_manager()

    class Meta:
        db_table = "ecommerce_categories"
        verbose_name_plural = "categories"
        constraints = [
            # Used by the merge of the loader as the key.
            models.UniqueConstraint(
                fields=["platform", "external_id"], name="ecommerce_categories_key"
            ),
        ]
        indexes = [
            # Used by SearchableQuerySet.search().
            GinIndex(fields=["search_vector"], name="ecommerce_categories_search"),
        ]

    def __str__(self) -> str:
        return f"{self.name or 'Category'} ({self.platform} {self.external_id})"


class Product(base.PlatformRow):
    """A product card. The variants with their prices are offers."""

    # Description
    title = models.TextField(null=True, help_text="NULL until a payload has a title.")
    title_ru = models.TextField(null=True)
    title_uz = models.TextField(null=True)
    title_en = models.TextField(null=True)
    title_normalized = models.TextField(
        null=True,
        help_text="Normalized title for matching across platforms, such as iphone 15 pro.",
    )
    description = models.TextField(null=True)
    brand = models.TextField(null=True)
    model = models.TextField(null=True)
    sku = models.TextField(null=True, help_text="The seller's or vendor's code.")
    barcode = models.TextField(null=True)
    url = models.TextField(null=True)
    images = models.JSONField(null=True, help_text="List of URLs.")
    video_url = models.TextField(null=True)
    tags = models.JSONField(null=True, help_text="List of badges as published.")
    attributes = models.JSONField(null=True, help_text="Properties without a column of their own.")
    characteristics = models.JSONField(null=True, help_text="List of {title, values}.")

    # Place
    category = models.ForeignKey(Category, models.SET_NULL, null=True, db_index=False)
    seller = models.ForeignKey(Seller, models.SET_NULL, null=True)

    # Standing
    rating = models.DecimalField(max_digits=3, decimal_places=2, null=True)
    review_count = models.IntegerField(null=True)
    order_count = models.IntegerField(null=True, help_text="Total number of orders, as published.")

    # Price and stock
    is_available = models.BooleanField(null=True, help_text="NULL if unknown.")
    total_available = models.IntegerField(null=True, help_text="Units in stock, across all offers.")
    min_price = models.DecimalField(max_digits=18, decimal_places=2, null=True)
    max_price = models.DecimalField(max_digits=18, decimal_places=2, null=True)
    currency = models.CharField(
        max_length=3, null=True, help_text="Currency code (ISO 4217), such as UZS."
    )

    # Flags
    is_eco = models.BooleanField(null=True)
    is_adult = models.BooleanField(null=True)
    is_perishable = models.BooleanField(null=True)
    has_warranty = models.BooleanField(null=True)

    # Provenance
    content_hash = base.content_hash()

    #: The columns that SearchableQuerySet.search() searches.
    SEARCHED = ("title", "title_ru", "title_uz", "title_en", "brand")

    objects = SearchableQuerySet.as_manager()

    class Meta:
        db_table = "ecommerce_products"
        constraints = [
            # Used by the merge of the loader as the key.
            models.UniqueConstraint(
                fields=["platform", "external_id"], name="ecommerce_products_key"
            ),
            models.CheckConstraint(
                condition=Q(min_price__gte=0, max_price__gte=0), name="ecommerce_products_price"
            ),
        ]
        indexes = [
            # Used by marketplace.loading.deduplication: unchanged content is not parsed again.
            HashIndex(fields=["content_hash"], name="ecommerce_products_content"),
            # Used by the cross-platform comparison: WHERE title_normalized = '…'.
            # A hash index, because only equality is queried: a sixth of a B-tree's size.
            HashIndex(fields=["title_normalized"], name="ecommerce_products_title"),
            # Used by the view ecommerce_same_product: WHERE value = '…'.
            HashIndex(
                LPad("barcode", 14, Value("0")),
                name="ecommerce_products_barcode",
                condition=Q(barcode__isnull=False),
            ),
            # Used by queries of price ranges within a category, and by the foreign key.
            models.Index(fields=["category", "min_price"], name="ecommerce_products_category"),
            # Used by SearchableQuerySet.search().
            GinIndex(
                vector_of("title", "title_ru", "title_uz", "title_en", "brand"),
                name="ecommerce_products_search",
                gin_pending_list_limit=512,
            ),
            # Used by attributes @> '{"…": …}'.
            GinIndex(
                fields=["attributes"],
                name="ecommerce_products_attrs",
                opclasses=["jsonb_path_ops"],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title or 'Product'} ({self.platform} {self.external_id})"


class Offer(base.PlatformRow):
    """A sellable variant of a product, with its current price."""

    # Product and seller
    product = models.ForeignKey(Product, models.CASCADE, related_name="offers", db_index=False)
    seller = models.ForeignKey(Seller, models.SET_NULL, null=True, related_name="offers")
    variant_title = models.TextField(null=True)
    variant_attributes = models.JSONField(null=True)
    barcode = models.TextField(null=True)

    # Price and stock
    price = models.DecimalField(max_digits=18, decimal_places=2)
    old_price = models.DecimalField(max_digits=18, decimal_places=2, null=True)
    currency = models.CharField(
        max_length=3,
        null=True,
        help_text="Currency code (ISO 4217); NULL if the feed does not specify it.",
    )
    currency_text = models.TextField(null=True, help_text="As published, if different.")
    discount_percent = base.percent_below("price", "old_price", _DISCOUNT)
    is_available = models.BooleanField(null=True, help_text="NULL if unknown.")
    stock_quantity = models.IntegerField(null=True)
    delivery_days = models.IntegerField(null=True)

    # Lifecycle
    scraped_at = models.DateTimeField(help_text="Time of the price observation.")

    class Meta:
        db_table = "ecommerce_offers"
        constraints = [
            # Used by the merge of the loader as the key.
            models.UniqueConstraint(
                fields=["platform", "external_id"], name="ecommerce_offers_key"
            ),
            models.CheckConstraint(condition=Q(price__gte=0), name="ecommerce_offers_price"),
        ]
        indexes = [
            # Used to compare the offers of a product by price, and by the foreign key.
            models.Index(fields=["product", "price"], name="ecommerce_offers_product"),
            # Used by the view ecommerce_same_product: WHERE value = '…'.
            HashIndex(
                LPad("barcode", 14, Value("0")),
                name="ecommerce_offers_barcode",
                condition=Q(barcode__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.variant_title or 'Offer'} ({self.platform} {self.external_id})"


class PricePoint(models.Model):
    """A change of an offer's price or availability. Partitioned by month of recorded_at."""

    # Identification. No constraint in the database: checking each row would cost a tenth of the
    # time of a load, points are created only for offers, and offers are never deleted.
    offer = models.ForeignKey(
        Offer,
        models.DO_NOTHING,
        related_name="price_points",
        db_constraint=False,
        db_index=False,
    )

    # Price
    price = models.DecimalField(max_digits=18, decimal_places=2)
    old_price = models.DecimalField(max_digits=18, decimal_places=2, null=True)
    currency = models.CharField(
        max_length=3,
        null=True,
        help_text="Currency code (ISO 4217); NULL if the feed does not specify it.",
    )
    discount_percent = base.percent_below("price", "old_price", _DISCOUNT)
    is_available = models.BooleanField(null=True)
    available_amount = models.IntegerField(null=True)

    # Change from the previous point; NULL for the first point and after a change of currency
    price_change = models.DecimalField(max_digits=18, decimal_places=2, null=True)
    price_change_percent = models.DecimalField(max_digits=22, decimal_places=2, null=True)

    # Trust
    is_outlier = models.BooleanField(
        null=True,
        help_text="True if the price is an outlier, which is excluded from minimum and average; "
        "False if it was confirmed manually.",
    )

    # Lifecycle
    recorded_at = models.DateTimeField(help_text="Time of the observation.")

    class Meta:
        db_table = "ecommerce_price_history"
        constraints = [
            # One state at a time; used by the loader and by queries of an offer's history.
            models.UniqueConstraint(
                fields=["offer", "recorded_at"], name="ecommerce_price_history_key"
            ),
        ]
        indexes = [
            # Used by ingest_review and the list of outliers in the admin: few of millions.
            models.Index(
                fields=["recorded_at"],
                name="ecommerce_price_outliers",
                condition=Q(is_outlier=True),
            ),
            # Used by the list in the admin: newest first, and ranges of days.
            models.Index(fields=["recorded_at"], name="ecommerce_price_recorded"),
        ]

    def __str__(self) -> str:
        at = timezone.localtime(self.recorded_at)
        return f"Offer {self.offer_id} at {at:%Y-%m-%d %H:%M} (point {self.pk})"


class ArchivedMonth(models.Model):
    """A month of the price history in Parquet files. It does not accept new points."""

    month = models.DateField(help_text="First day of the month, UTC.")

    # Content
    row_count = models.BigIntegerField()
    content_hash = models.CharField(
        max_length=64,
        help_text="Hash of all rows, also stored in the manifest of the archived month.",
    )

    # Lifecycle
    archived_at = models.DateTimeField(
        null=True, help_text="Time at which the table of the month was dropped; NULL until then."
    )

    class Meta:
        db_table = "ecommerce_archived_months"
        constraints = [
            # Used by the database function ecommerce_is_archived() and by ecommerce.archive.months.
            models.UniqueConstraint(fields=["month"], name="ecommerce_archived_months_key"),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"


class LostMonth(models.Model):
    """A month of the price history whose archived files are lost."""

    month = models.DateField(help_text="First day of the month, UTC.")
    row_count = models.BigIntegerField(help_text="Number of archived points.")

    # Lifecycle
    abandoned_at = models.DateTimeField(help_text="Time at which the month was marked as lost.")

    class Meta:
        db_table = "ecommerce_lost_months"
        constraints = [
            models.UniqueConstraint(fields=["month"], name="ecommerce_lost_months_key"),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"


class LoadRun(loading.LoadRun):
    """A run of `ingest` into this database."""

    class Meta(loading.LoadRun.Meta):
        db_table = "ecommerce_load_runs"


class LoadSource(loading.LoadSource):
    """A source of a run into this database."""

    class Meta(loading.LoadSource.Meta):
        db_table = "ecommerce_load_sources"


class LoadChunk(loading.LoadChunk):
    """Records that a run into this database has yet to load."""

    class Meta(loading.LoadChunk.Meta):
        db_table = "ecommerce_load_chunks"


class QuarantinedRecord(loading.QuarantinedRecord):
    """A record of this database's platforms that could not be loaded."""

    class Meta(loading.QuarantinedRecord.Meta):
        db_table = "ecommerce_quarantine"


class RawPayload(payloads.RawPayload):
    """A version of a payload from an ecommerce platform."""

    class Meta(payloads.RawPayload.Meta):
        db_table = "ecommerce_payloads"


class PayloadDictionary(payloads.PayloadDictionary):
    """A zstd dictionary for the payloads of one shape."""

    class Meta(payloads.PayloadDictionary.Meta):
        db_table = "ecommerce_payload_dictionaries"


class PayloadObservation(payloads.PayloadObservation):
    """The later times at which a payload of this database's platforms was observed."""

    class Meta(payloads.PayloadObservation.Meta):
        db_table = "ecommerce_payload_observations"


class ExchangeRate(base.ExchangeRate):
    """A rate for the prices of this database."""

    class Meta(base.ExchangeRate.Meta):
        db_table = "ecommerce_exchange_rates"


class Rollup(base.Rollup):
    """The state of a rollup of this database."""

    class Meta(base.Rollup.Meta):
        db_table = "ecommerce_rollups"
