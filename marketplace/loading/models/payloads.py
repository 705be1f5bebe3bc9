"""Abstract bases of the tables of payloads, in the databases that keep them."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import HashIndex
from django.db import models
from django.db.models import Q


class RawPayload(models.Model):
    """One version of a platform's data about one object, complete enough to load it again."""

    # Identification
    platform = models.CharField(max_length=32)
    shape = models.CharField(max_length=32, help_text="Format of the payload, such as UZ-API.")
    external_id = models.CharField(max_length=255)
    content_hash = models.BinaryField(help_text="XXH3-128 of shape, payload and context.")
    document_hash = models.UUIDField(
        null=True,
        help_text="XXH3-128 of the first document that had this payload, if it has a time.",
    )

    # Content
    body = models.BinaryField(
        help_text="JSON of payload and context, compressed with zstd and its dictionary."
    )

    # Lifecycle
    observed_at = models.DateTimeField(help_text="Time at which this version was first observed.")

    class Meta:
        abstract = True
        constraints = [
            # Each version of a payload is stored once.
            models.UniqueConstraint(
                fields=["platform", "external_id", "content_hash"],
                name="%(app_label)s_payloads_key",
            ),
        ]
        indexes = [
            # Used by marketplace.loading.deduplication: documents that were loaded before.
            HashIndex(
                fields=["document_hash"],
                name="%(app_label)s_payloads_document",
                condition=Q(document_hash__isnull=False),
            ),
            # Used by the list in the admin: newest first, and ranges of days.
            models.Index(fields=["observed_at"], name="%(app_label)s_payloads_observed"),
        ]

    def __str__(self) -> str:
        return f"{self.platform} {self.external_id} (payload {self.pk})"


class PayloadDictionary(models.Model):
    """A zstd dictionary of text that is common to the payloads of a platform."""

    # The header of each frame that needs this dictionary contains its id.
    dictionary_id = models.BigIntegerField(unique=True)
    platform = models.CharField(max_length=32)
    shape = models.CharField(max_length=64)
    body = models.BinaryField()
    created_at = models.DateTimeField()

    class Meta:
        abstract = True
        verbose_name_plural = "payload dictionaries"

    def __str__(self) -> str:
        return f"{self.platform} {self.shape} (dictionary {self.dictionary_id})"


class PayloadObservation(models.Model):
    """The later times at which a payload was observed: one row per payload and month."""

    month = models.DateField(help_text="First day of the month, UTC.")
    observed_times = ArrayField(models.DateTimeField(), help_text="In the order of loading.")
    # No constraint in the database: rows are created only for payloads, which are never deleted.
    payload = models.ForeignKey(
        "RawPayload",
        models.DO_NOTHING,
        related_name="payload_observations",
        db_constraint=False,
        db_index=False,
    )

    class Meta:
        abstract = True
        constraints = [
            # Used to read the times of a payload.
            models.UniqueConstraint(
                fields=["payload", "month"], name="%(app_label)s_payload_observations_key"
            ),
        ]

    def __str__(self) -> str:
        return f"Payload {self.payload_id} in {self.month:%Y-%m}"  # type: ignore[attr-defined]
