"""Abstract bases of the tables of runs and quarantine."""

from datetime import datetime
from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q

#: Prefix of the error of a run that an exception or a signal interrupted.
INTERRUPTED = "Interrupted: "

#: Error of a run whose process ended without closing the run.
PROCESS_ENDED = (
    "The process ended before the run finished. Committed batches are kept. Resume the run: "
    "python manage.py ingest --resume"
)

#: Runs whose error states that they were interrupted, so that they can be resumed.
IS_INTERRUPTED = Q(error=PROCESS_ENDED) | Q(error__startswith=INTERRUPTED)


class LoadRunQuerySet(models.QuerySet["LoadRun"]):
    """Runs of one database, selected by status."""

    def of(self, platform: str) -> Self:
        """Return the runs of one platform."""
        return self.filter(platform=platform)

    def queued(self) -> Self:
        """Return the runs that were received and have not started."""
        return self.filter(status=LoadRun.Status.QUEUED)

    def running(self) -> Self:
        """Return the runs that are being loaded, or whose process was killed."""
        return self.filter(status=LoadRun.Status.RUNNING)

    def in_progress(self) -> Self:
        """Return the runs that are queued or running."""
        return self.queued() | self.running()

    def completed(self) -> Self:
        """Return the runs that read all sources to the end."""
        return self.filter(status=LoadRun.Status.COMPLETED)

    def failed(self) -> Self:
        """Return the runs that failed or were interrupted."""
        return self.filter(status=LoadRun.Status.FAILED)

    def held(self) -> Self:
        """Return the runs that a gate stopped."""
        return self.filter(status=LoadRun.Status.HELD)

    def not_discarded(self) -> Self:
        """Return the runs that were not discarded."""
        return self.exclude(status=LoadRun.Status.DISCARDED)

    def interrupted(self) -> Self:
        """Return the runs that can be resumed: those still running, and those stopped midway.

        A run that failed because a source cannot be read is not among them: it was read as far as
        possible.
        """
        is_resumable = IS_INTERRUPTED | Q(chunks__is_held=True)
        status = LoadRun.Status
        rows = self.filter(Q(status=status.RUNNING) | Q(status=status.FAILED) & is_resumable)
        return rows.distinct()


class LoadRun(models.Model):
    """One run of `ingest`: its input, its result, its progress."""

    class Status(models.TextChoices):
        """The state of a run."""

        #: Received and not started.
        QUEUED = "queued", "Queued"
        #: Batches are being loaded, or the process was killed.
        RUNNING = "running", "Running"
        #: All sources were read to the end.
        COMPLETED = "completed", "Completed"
        #: A source could not be read, or the run was interrupted. Committed batches are kept.
        FAILED = "failed", "Failed"
        #: A gate stopped the run: earlier batches are loaded, the rest is pending review.
        HELD = "held", "Held"
        #: The held records were discarded.
        DISCARDED = "discarded", "Discarded"

    # Identification
    platform = models.CharField(max_length=32)
    source = models.TextField(help_text="The files; - for standard input, push for a push.")
    idempotency_key = models.CharField(
        max_length=255,
        null=True,
        blank=True,
        help_text="Key by which a repeated request is recognized.",
    )

    # Internal state
    status = models.CharField(max_length=16, choices=Status, default=Status.RUNNING)
    error = models.TextField(blank=True, help_text="Why the run failed or was held.")
    options = models.JSONField(default=dict, help_text="Options of the call, to resume the run.")
    quality_metrics = models.JSONField(
        null=True,
        blank=True,
        help_text="Measurements of the gates; later runs are compared with them.",
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
        null=True, blank=True, help_text="Time of the newest observation in the run."
    )

    objects = LoadRunQuerySet.as_manager()

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
            # A repeated request does not create a second run.
            models.UniqueConstraint(
                fields=["platform", "idempotency_key"], name="%(app_label)s_load_runs_key"
            ),
        ]

    def __str__(self) -> str:
        return f"run {self.platform}-{self.pk}"


class LoadSourceQuerySet(models.QuerySet["LoadSource"]):
    """Sources of one database, selected by their run."""

    def of_run(self, run_id: int) -> Self:
        """Return the sources of one run."""
        return self.filter(Q(run_id=run_id))

    def of(self, platform: str) -> Self:
        """Return the sources of the runs of one platform."""
        return self.filter(Q(run__platform=platform))

    def started_before(self, time: datetime) -> Self:
        """Return the sources of runs that started before a time."""
        return self.filter(Q(run__started_at__lt=time))


class LoadSource(models.Model):
    """A file that a run reads, or standard input, with the progress of reading it."""

    # Identification
    name = models.TextField(help_text="Name of the file, without its folder.")
    path = models.TextField(
        blank=True,
        help_text="Full path of the file; for a push or a held run, its kind and id, such as "
        "request 17.",
    )
    digest = models.CharField(
        max_length=32, blank=True, help_text="BLAKE2b-128 of the file; empty for standard input."
    )

    # Progress
    observed_at = models.DateTimeField(
        help_text="Time of observation of the records that do not state their own."
    )
    stale_times = ArrayField(
        models.DateTimeField(),
        default=list,
        db_default=[],
        blank=True,
        help_text="Ignored document times (already used by different content).",
    )
    newest_payload = models.BigIntegerField(
        null=True,
        blank=True,
        help_text="Id of the newest payload stored before this source was read.",
    )
    batch_count = models.BigIntegerField(
        default=0, help_text="Committed batches; written in the transaction of each batch."
    )
    checkpoint = models.BigIntegerField(
        default=0,
        help_text="Documents whose records are all committed. Resuming starts after them.",
    )
    checkpoint_records = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="Committed records of the document after the checkpoint.",
    )
    is_complete = models.BooleanField(
        default=False, help_text="Whether the source was read to the end."
    )
    warnings = ArrayField(
        models.TextField(),
        default=list,
        db_default=[],
        blank=True,
        help_text="Problems that did not prevent loading.",
    )
    run = models.ForeignKey("LoadRun", models.CASCADE, related_name="sources")

    objects = LoadSourceQuerySet.as_manager()

    class Meta:
        abstract = True
        indexes = [
            # Used to find the first load of a file.
            models.Index(fields=["digest"], name="%(app_label)s_load_sources_file"),
            # Used by marketplace.loading.document_times: sources with stale times.
            GinIndex(
                fields=["stale_times"],
                name="%(app_label)s_load_sources_times",
                condition=~Q(stale_times=[]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} (source {self.pk})"


class LoadChunkQuerySet(models.QuerySet["LoadChunk"]):
    """Chunks of one database, selected by their run."""

    def of_run(self, run_id: int) -> Self:
        """Return the chunks of one run."""
        return self.filter(Q(run_id=run_id))

    def held(self) -> Self:
        """Return the chunks that a gate holds."""
        return self.filter(is_held=True)

    def received(self) -> Self:
        """Return the chunks that the HTTP API received."""
        return self.filter(is_held=False)


class LoadChunk(models.Model):
    """Records that a run has yet to load: received by the HTTP API, or held by a gate."""

    sequence = models.IntegerField(help_text="Position among the chunks of the run.")
    is_held = models.BooleanField(
        default=False, help_text="True if a gate holds the records; False if they were pushed."
    )
    body = models.BinaryField(help_text="JSON lines, compressed with zstd.")
    run = models.ForeignKey("LoadRun", models.CASCADE, related_name="chunks", db_index=False)

    objects = LoadChunkQuerySet.as_manager()

    class Meta:
        abstract = True
        constraints = [
            # Used by the worker, which reads the chunks of a run in order.
            models.UniqueConstraint(
                fields=["run", "sequence"], name="%(app_label)s_load_chunks_key"
            ),
        ]

    def __str__(self) -> str:
        return f"Chunk {self.sequence} (id {self.pk})"


class QuarantinedRecord(models.Model):
    """A record that could not be loaded, kept for manual review."""

    # Identification
    platform = models.CharField(max_length=32)
    external_id = models.CharField(max_length=255, blank=True, help_text="Empty if unknown.")
    content_hash = models.BinaryField(help_text="BLAKE2b-128 of the payload.")

    # Reason
    reason = models.TextField()
    field = models.CharField(
        max_length=255,
        blank=True,
        help_text="The invalid field of the payload; empty if several fields are invalid.",
    )

    # Provenance
    source = models.TextField(
        help_text="Path of the file, or name of another source, and position in it."
    )
    payload = models.BinaryField(help_text="The record as read, compressed with zstd.")
    shape = models.CharField(
        max_length=64, blank=True, help_text="Format of the payload, if it was recognized."
    )
    context = models.JSONField(null=True, blank=True, help_text="Metadata from its envelope.")
    options = models.JSONField(default=dict, help_text="Options of its run, such as the shop.")

    # Lifecycle
    observed_at = models.DateTimeField(null=True, blank=True)
    observed_times = ArrayField(
        models.DateTimeField(),
        default=list,
        db_default=[],
        blank=True,
        help_text="All times at which it was observed. It is released at each of them.",
    )
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    seen_count = models.BigIntegerField(default=1)
    run = models.ForeignKey("LoadRun", models.SET_NULL, null=True, related_name="quarantine")

    class Meta:
        abstract = True
        constraints = [
            # A record that is rejected again is counted, not stored again.
            models.UniqueConstraint(
                fields=["platform", "content_hash"], name="%(app_label)s_quarantine_key"
            ),
        ]

    def __str__(self) -> str:
        name = f"record {self.platform}-{self.pk}"
        return f"{name} (id {self.external_id})" if self.external_id else name
