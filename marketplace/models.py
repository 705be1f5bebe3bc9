"""Abstract bases of the tables that all three databases have. This app has no table of its own."""

from decimal import Decimal

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, HashIndex
from django.db import models
from django.db.models import F, GeneratedField, Q, Value
from django.db.models.functions import NullIf, Round


def percent_below(part: str, whole: str, help_text: str) -> GeneratedField:
    """Return a stored column: by how many percent `part` is below `whole`, with two places."""
    hundred = Value(Decimal(100))
    share = hundred - F(part) * hundred / NullIf(F(whole), Value(Decimal(0)))
    return GeneratedField(
        expression=Round(share, precision=2),
        output_field=models.DecimalField(max_digits=22, decimal_places=2, null=True),
        db_persist=True,
        help_text=help_text,
    )


class PlatformRow(models.Model):
    """A thing on a platform, known by the platform's own id."""

    # Identification
    platform = models.CharField(max_length=32, help_text="Name of the platform, as registered.")
    external_id = models.CharField(
        max_length=255, help_text="The platform's own id; unique within the platform."
    )

    # Lifecycle
    first_seen_at = models.DateTimeField(help_text="Time of the oldest observation.")
    last_seen_at = models.DateTimeField(help_text="Time of the newest observation.")
    updated_at = models.DateTimeField(help_text="When loading last changed the content.")

    class Meta:
        abstract = True


def content_hash() -> models.BinaryField[bytes | None, bytes | None]:
    """Return the column by which loading recognizes what a thing's newest observation said."""
    return models.BinaryField(
        null=True, help_text="XXH3-128 of what the newest observation said, if recognizable."
    )


class LoadRun(models.Model):
    """One run of `ingest`: what it read, what became of it, how far it came."""

    class Status(models.TextChoices):
        """Where the run is in its life."""

        #: Received, and not begun yet.
        QUEUED = "queued", "Queued"
        #: Batches are being loaded, or the process was killed.
        RUNNING = "running", "Running"
        #: All sources were read to their end.
        COMPLETED = "completed", "Completed"
        #: A source could not be read, or the run was interrupted. What was loaded stays.
        FAILED = "failed", "Failed"
        #: A gate stopped it: what came before is loaded, the rest waits for a person.
        HELD = "held", "Held"
        #: What was held was thrown away by a person.
        DISCARDED = "discarded", "Discarded"

    # Identification
    platform = models.CharField(max_length=32)
    source = models.TextField(help_text="The files, or - for standard input.")
    idempotency_key = models.CharField(
        max_length=255,
        null=True,
        blank=True,
        help_text="By which a request that is sent again is recognized.",
    )

    # Internal state
    status = models.CharField(max_length=16, choices=Status, default=Status.RUNNING)
    error = models.TextField(blank=True, help_text="Why the run failed, or was held.")
    options = models.JSONField(default=dict, help_text="How it was called, to resume it.")
    quality_metrics = models.JSONField(
        null=True, blank=True, help_text="What its gates measured; later runs are compared to it."
    )

    # Counts
    read_count = models.BigIntegerField(default=0, help_text="Records read, repeats included.")
    created_count = models.BigIntegerField(default=0)
    updated_count = models.BigIntegerField(default=0)
    unchanged_count = models.BigIntegerField(default=0, help_text="Repeats included.")
    rejected_count = models.BigIntegerField(default=0, help_text="Records put into quarantine.")
    held_count = models.BigIntegerField(default=0, help_text="Records that a gate holds.")
    price_point_count = models.BigIntegerField(default=0)

    # Lifecycle
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    newest_observed_at = models.DateTimeField(
        null=True, blank=True, help_text="The newest observation that it has loaded."
    )

    class Meta:
        abstract = True
        indexes = [
            # Used by db_status: the last run of each platform.
            models.Index(fields=["platform", "-id"], name="%(app_label)s_load_runs_last"),
            # Used by db_status and /readyz: when a platform was last observed.
            models.Index(
                fields=["platform", "newest_observed_at"], name="%(app_label)s_load_runs_observed"
            ),
        ]
        constraints = [
            # A request that is sent again makes no second run.
            models.UniqueConstraint(
                fields=["platform", "idempotency_key"], name="%(app_label)s_load_runs_key"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.platform} run {self.pk}"


class LoadSource(models.Model):
    """A file that a run read, or standard input: how many of its records are committed."""

    # Identification
    name = models.TextField(help_text="The file's name without its folder.")
    path = models.TextField(blank=True, help_text="The file's full path.")
    digest = models.CharField(
        max_length=32, blank=True, help_text="BLAKE2b-128 of the file; empty if it is none."
    )

    # Progress
    observed_at = models.DateTimeField(help_text="Time of its records that tell none themselves.")
    stale_times = ArrayField(
        models.DateTimeField(),
        default=list,
        db_default=[],
        blank=True,
        help_text="Times in its documents that do not count: other content had them before.",
    )
    newest_payload = models.BigIntegerField(
        null=True, blank=True, help_text="Id of the newest payload that was stored before it."
    )
    record_count = models.BigIntegerField(
        default=0, help_text="Written in the transaction of each batch."
    )
    checkpoint = models.BigIntegerField(
        default=0, help_text="Documents whose records are committed: where a resumed run goes on."
    )
    uncheckpointed_count = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="Records loaded beyond the checkpoint: a resumed run reads them again.",
    )
    uncheckpointed_rejected_count = models.BigIntegerField(
        default=0, db_default=0, help_text="Records put into quarantine beyond the checkpoint."
    )
    is_complete = models.BooleanField(default=False, help_text="Whether it was read to its end.")
    warnings = ArrayField(
        models.TextField(),
        default=list,
        db_default=[],
        blank=True,
        help_text="What a person should know, though its records were loaded.",
    )

    class Meta:
        abstract = True
        indexes = [
            # Used by marketplace.loading.runs.Run.first_load().
            models.Index(fields=["digest"], name="%(app_label)s_load_sources_file"),
            # Used by marketplace.loading.clock: sources in which a time did not count.
            GinIndex(
                fields=["stale_times"],
                name="%(app_label)s_load_sources_times",
                condition=~Q(stale_times=[]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} (source {self.pk})"


class LoadChunk(models.Model):
    """A part of what a run is still to load: of a request that was received, or held by a gate."""

    sequence = models.IntegerField(help_text="Its place among the parts of its run.")
    is_held = models.BooleanField(
        default=False, help_text="Whether a gate holds it; else it was received."
    )
    body = models.BinaryField(help_text="JSON lines, compressed with zstd.")

    class Meta:
        abstract = True
        constraints = [
            # Used by the worker that reads the parts of a run in order.
            models.UniqueConstraint(
                fields=["run", "sequence"], name="%(app_label)s_load_chunks_key"
            ),
        ]

    def __str__(self) -> str:
        return f"Part {self.sequence} (chunk {self.pk})"


class QuarantinedRecord(models.Model):
    """A record that could not be loaded, kept until somebody looks at it."""

    # Identification
    platform = models.CharField(max_length=32)
    external_id = models.CharField(max_length=255, blank=True, help_text="Empty if not known.")
    content_hash = models.BinaryField(help_text="BLAKE2b-128 of the payload.")

    # Reason
    reason = models.TextField()
    field = models.CharField(
        max_length=255, blank=True, help_text="The payload's field at fault; empty if no one is."
    )

    # Provenance
    source = models.TextField(help_text="The file, and the record's place in it.")
    payload = models.BinaryField(help_text="The record as it was read, compressed with zstd.")
    shape = models.CharField(
        max_length=64, blank=True, help_text="Its form, if it was recognized before it failed."
    )
    context = models.JSONField(null=True, blank=True, help_text="What its envelope said.")
    options = models.JSONField(default=dict, help_text="The options of its run, such as the shop.")

    # Lifecycle
    observed_at = models.DateTimeField(null=True, blank=True)
    observed_times = ArrayField(
        models.DateTimeField(),
        default=list,
        db_default=[],
        blank=True,
        help_text="All times at which it was observed: it is released at each of them.",
    )
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    seen_count = models.BigIntegerField(default=1)

    class Meta:
        abstract = True
        constraints = [
            # A record that is rejected again is counted, not repeated.
            models.UniqueConstraint(
                fields=["platform", "content_hash"], name="%(app_label)s_quarantine_key"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.platform} {self.external_id or '(no id)'} (quarantine {self.pk})"


class RawPayload(models.Model):
    """One version of what a platform returned about one thing, enough to load it again."""

    # Identification
    platform = models.CharField(max_length=32)
    shape = models.CharField(max_length=32, help_text="The payload's form, such as UZ-API.")
    external_id = models.CharField(max_length=255)
    content_hash = models.BinaryField(help_text="XXH3-128 of shape, payload and context.")
    document_hash = models.UUIDField(
        null=True,
        help_text="XXH3-128 of the document that told it first, if that tells its own time.",
    )

    # Content
    body = models.BinaryField(
        help_text="JSON of payload and context, compressed with zstd and its dictionary."
    )

    # Lifecycle
    observed_at = models.DateTimeField(help_text="When this version was first observed.")

    class Meta:
        abstract = True
        constraints = [
            # A payload that was stored already is not stored again.
            models.UniqueConstraint(
                fields=["platform", "external_id", "content_hash"],
                name="%(app_label)s_payloads_key",
            ),
        ]
        indexes = [
            # Used by marketplace.loading.recognition: documents that were loaded before.
            HashIndex(
                fields=["document_hash"],
                name="%(app_label)s_payloads_document",
                condition=Q(document_hash__isnull=False),
            ),
            # Used by the admin's list: the newest first, and from a day to a day.
            models.Index(fields=["observed_at"], name="%(app_label)s_payloads_observed"),
        ]

    def __str__(self) -> str:
        return f"{self.platform} {self.external_id} (payload {self.pk})"


class PayloadDictionary(models.Model):
    """A zstd dictionary: what payloads of a platform have in common, so that each needs less."""

    # The number is in the header of each frame that needs this dictionary.
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
    """When a payload was observed again after its first time: one row a payload and month."""

    month = models.DateField(help_text="First day of the month, UTC.")
    observed_times = ArrayField(models.DateTimeField(), help_text="In the order of loading.")

    class Meta:
        abstract = True
        constraints = [
            # Used by marketplace.loading: the times of a payload.
            models.UniqueConstraint(
                fields=["payload", "month"], name="%(app_label)s_payload_observations_key"
            ),
        ]

    def __str__(self) -> str:
        return f"Payload {self.payload_id} in {self.month:%Y-%m}"  # type: ignore[attr-defined]


class ExchangeRate(models.Model):
    """The official price of a currency in so'm on a day."""

    currency = models.CharField(max_length=3, help_text="ISO 4217.")
    rate_date = models.DateField()
    rate = models.DecimalField(
        max_digits=20, decimal_places=6, help_text="UZS for one unit of the currency."
    )

    class Meta:
        abstract = True
        constraints = [
            # Used by the rate of a day, or the last one before it.
            models.UniqueConstraint(
                fields=["currency", "rate_date"], name="%(app_label)s_exchange_rates_key"
            ),
            models.CheckConstraint(
                condition=Q(rate__gt=0), name="%(app_label)s_exchange_rates_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.currency} {self.rate_date}"
