"""All tables of the classifieds database."""

from django.contrib.postgres.indexes import GinIndex, GistIndex, HashIndex, OpClass
from django.db import models
from django.db.models import F, Func, Q

from marketplace import models as base
from marketplace.loading import models as loading
from marketplace.loading.models import payloads
from marketplace.postgresql.search import SearchableQuerySet, search_vector


class Category(base.PlatformRow):
    """A node of a platform's category tree."""

    name = models.TextField(null=True)
    path = models.TextField(null=True, help_text="As published.")
    parent = models.ForeignKey("self", models.SET_NULL, null=True, related_name="children")
    level = models.SmallIntegerField(null=True, help_text="1 for a root.")

    class Meta:
        db_table = "classifieds_categories"
        verbose_name_plural = "categories"
        constraints = [
            # Used by the merge of the loader as the key.
            models.UniqueConstraint(
                fields=["platform", "external_id"], name="classifieds_categories_key"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name or 'Category'} ({self.platform} {self.external_id})"


class Seller(base.PlatformRow):
    """A person or business that posts listings."""

    name = models.TextField(null=True)
    is_business = models.BooleanField(null=True)
    registered_at = models.DateTimeField(null=True)
    attributes = models.JSONField(null=True)

    class Meta:
        db_table = "classifieds_sellers"
        constraints = [
            # Used by the merge of the loader as the key.
            models.UniqueConstraint(
                fields=["platform", "external_id"], name="classifieds_sellers_key"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name or 'Seller'} ({self.platform} {self.external_id})"


class Listing(base.PlatformRow):
    """A classified ad, as last seen."""

    class Status(models.TextChoices):
        """The status of the ad on the platform."""

        ACTIVE = "active", "Active"
        SOLD = "sold", "Sold"
        EXPIRED = "expired", "Expired"
        REMOVED = "removed", "Removed"
        #: Hidden by the platform: blocked, in moderation, or over a limit.
        SUSPENDED = "suspended", "Suspended"

    class Condition(models.TextChoices):
        """The condition of the item for sale."""

        NEW = "new", "New"
        USED = "used", "Used"
        DAMAGED = "damaged", "Damaged"

    # Description
    title = models.TextField(null=True)
    description = models.TextField(null=True)
    url = models.TextField(null=True)
    category = models.ForeignKey(Category, models.SET_NULL, null=True)
    category_path = models.TextField(null=True, help_text="Canonical path, such as transport/cars.")
    category_name = models.TextField(null=True, help_text="As published.")
    seller = models.ForeignKey(Seller, models.SET_NULL, null=True, related_name="listings")
    images = models.JSONField(null=True, help_text="List of URLs.")
    attributes = models.JSONField(null=True, help_text="Parameters as published.")
    search_vector = search_vector("title", "description")

    # Price
    price = models.DecimalField(max_digits=18, decimal_places=2, null=True)
    currency = models.CharField(
        max_length=3, null=True, help_text="Currency code (ISO 4217), such as UZS."
    )
    currency_text = models.TextField(null=True, help_text="As published.")
    is_negotiable = models.BooleanField(null=True)
    is_price_on_request = models.BooleanField(null=True)

    # Place
    location = models.TextField(null=True, help_text="As published.")
    city = models.TextField(
        null=True, help_text="Canonical name in Latin script, such as Tashkent."
    )
    region = models.TextField(null=True, help_text="Canonical name in Latin script.")
    district = models.TextField(null=True, help_text="As published.")
    district_canonical = models.TextField(
        null=True, help_text="Canonical name in Latin script, such as Yakkasaray."
    )
    latitude = models.DecimalField(max_digits=9, decimal_places=6, null=True)
    longitude = models.DecimalField(max_digits=9, decimal_places=6, null=True)

    # Particulars
    condition = models.CharField(max_length=16, null=True, choices=Condition)
    condition_text = models.TextField(null=True, help_text="As published.")
    brand = models.TextField(null=True)
    model = models.TextField(null=True)
    year = models.SmallIntegerField(null=True)
    mileage = models.IntegerField(null=True, help_text="Kilometers.")
    area_sqm = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    rooms = models.SmallIntegerField(null=True)

    # Lifecycle
    status = models.CharField(max_length=16, null=True, choices=Status)
    posted_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    sold_at = models.DateTimeField(null=True)
    bumped_at = models.DateTimeField(null=True)

    # Provenance
    content_hash = base.content_hash()

    objects = SearchableQuerySet.as_manager()

    class Meta:
        db_table = "classifieds_listings"
        constraints = [
            # Used by the merge of the loader as the key.
            models.UniqueConstraint(
                fields=["platform", "external_id"], name="classifieds_listings_key"
            ),
            models.CheckConstraint(condition=Q(price__gte=0), name="classifieds_listings_price"),
            models.CheckConstraint(
                condition=Q(latitude__gte=-90, latitude__lte=90)
                & Q(longitude__gte=-180, longitude__lte=180),
                name="classifieds_listings_place",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["active", "sold", "expired", "removed", "suspended"]),
                name="classifieds_listings_status",
            ),
            models.CheckConstraint(
                condition=Q(condition__in=["new", "used", "damaged"]),
                name="classifieds_listings_condition",
            ),
        ]
        indexes = [
            # Used by marketplace.loading.deduplication: unchanged content is not parsed again.
            HashIndex(fields=["content_hash"], name="classifieds_listings_content"),
            # Used to filter active ads by city, category and price.
            models.Index(
                "city",
                OpClass(F("category_path"), name="text_pattern_ops"),
                "price",
                name="classifieds_listings_browse",
                condition=Q(status="active"),
            ),
            # Used by ranges of time, newest ads first.
            models.Index(fields=["-posted_at"], name="classifieds_listings_posted"),
            # Used by SearchableQuerySet.search().
            GinIndex(fields=["search_vector"], name="classifieds_listings_search"),
            # Used by attributes @> '{"…": …}'.
            GinIndex(
                fields=["attributes"],
                name="classifieds_listings_attrs",
                opclasses=["jsonb_path_ops"],
            ),
            # Used to find ads within a radius: earth_box(…) @> ll_to_earth(latitude, longitude).
            GistIndex(
                Func(F("latitude"), F("longitude"), function="ll_to_earth"),
                name="classifieds_listings_earth",
                condition=Q(status="active"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title or 'Listing'} ({self.platform} {self.external_id})"


class ListingEvent(models.Model):
    """A change of a listing's status or price. Append-only."""

    class Kind(models.TextChoices):
        """The kind of the change."""

        POSTED = "posted", "First seen"
        PRICE = "price", "Price changed"
        STATUS = "status", "Status changed"

    # Identification
    listing = models.ForeignKey(Listing, models.CASCADE, related_name="events", db_index=False)
    kind = models.CharField(max_length=16, choices=Kind)

    # Change
    old_price = models.DecimalField(max_digits=18, decimal_places=2, null=True)
    new_price = models.DecimalField(max_digits=18, decimal_places=2, null=True)
    old_currency = models.CharField(max_length=3, null=True)
    new_currency = models.CharField(max_length=3, null=True)
    old_status = models.CharField(max_length=16, null=True)
    new_status = models.CharField(max_length=16, null=True)

    # Lifecycle
    recorded_at = models.DateTimeField(help_text="Time at which the new state was observed.")

    class Meta:
        db_table = "classifieds_listing_events"
        constraints = [
            # One event of a kind at a time; used by queries of a listing's history.
            models.UniqueConstraint(
                fields=["listing", "recorded_at", "kind"], name="classifieds_listing_events_key"
            ),
        ]
        indexes = [
            # Used by the list in the admin: newest first, and ranges of days.
            models.Index(fields=["recorded_at"], name="classifieds_events_recorded"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of listing {self.listing_id} (event {self.pk})"


class LoadRun(loading.LoadRun):
    """A run of `ingest` into this database."""

    class Meta(loading.LoadRun.Meta):
        db_table = "classifieds_load_runs"


class LoadSource(loading.LoadSource):
    """A source of a run into this database."""

    class Meta(loading.LoadSource.Meta):
        db_table = "classifieds_load_sources"


class LoadChunk(loading.LoadChunk):
    """Records that a run into this database has yet to load."""

    class Meta(loading.LoadChunk.Meta):
        db_table = "classifieds_load_chunks"


class QuarantinedRecord(loading.QuarantinedRecord):
    """A record of this database's platforms that could not be loaded."""

    class Meta(loading.QuarantinedRecord.Meta):
        db_table = "classifieds_quarantine"


class RawPayload(payloads.RawPayload):
    """A version of a payload from a classifieds platform."""

    class Meta(payloads.RawPayload.Meta):
        db_table = "classifieds_payloads"


class PayloadDictionary(payloads.PayloadDictionary):
    """A zstd dictionary for the payloads of one shape."""

    class Meta(payloads.PayloadDictionary.Meta):
        db_table = "classifieds_payload_dictionaries"


class PayloadObservation(payloads.PayloadObservation):
    """The later times at which a payload of this database's platforms was observed."""

    class Meta(payloads.PayloadObservation.Meta):
        db_table = "classifieds_payload_observations"


class ExchangeRate(base.ExchangeRate):
    """A rate for the prices of this database."""

    class Meta(base.ExchangeRate.Meta):
        db_table = "classifieds_exchange_rates"


class Rollup(base.Rollup):
    """The state of a rollup of this database."""

    class Meta(base.Rollup.Meta):
        db_table = "classifieds_rollups"
