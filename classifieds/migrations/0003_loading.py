"""Tables of loading: runs, their sources and chunks, and quarantine."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("classifieds", "0002_listings_and_events")]

    operations = [
        migrations.CreateModel(
            name="LoadRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        verbose_name="ID", primary_key=True, serialize=False, auto_created=True
                    ),
                ),
                ("platform", models.CharField(max_length=32)),
                (
                    "source",
                    models.TextField(help_text="The files; - for standard input, push for a push."),
                ),
                (
                    "idempotency_key",
                    models.CharField(
                        max_length=255,
                        blank=True,
                        null=True,
                        help_text="Key by which a repeated request is recognized.",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("running", "Running"),
                            ("completed", "Completed"),
                            ("failed", "Failed"),
                            ("held", "Held"),
                            ("discarded", "Discarded"),
                        ],
                        max_length=16,
                        default="running",
                    ),
                ),
                (
                    "error",
                    models.TextField(blank=True, help_text="Why the run failed or was held."),
                ),
                (
                    "options",
                    models.JSONField(
                        default=dict, help_text="Options of the call, to resume the run."
                    ),
                ),
                (
                    "quality_metrics",
                    models.JSONField(
                        blank=True,
                        null=True,
                        help_text="Measurements of the gates; later runs are compared with them.",
                    ),
                ),
                (
                    "read_count",
                    models.BigIntegerField(default=0, help_text="Records read, repeats included."),
                ),
                ("created_count", models.BigIntegerField(default=0)),
                ("updated_count", models.BigIntegerField(default=0)),
                (
                    "unchanged_count",
                    models.BigIntegerField(default=0, help_text="Repeats included."),
                ),
                (
                    "rejected_count",
                    models.BigIntegerField(default=0, help_text="Records put into quarantine."),
                ),
                (
                    "held_count",
                    models.BigIntegerField(default=0, help_text="Records that a gate holds."),
                ),
                ("price_point_count", models.BigIntegerField(default=0)),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                (
                    "newest_observed_at",
                    models.DateTimeField(
                        blank=True,
                        null=True,
                        help_text="Time of the newest observation in the run.",
                    ),
                ),
            ],
            options={
                "db_table": "classifieds_load_runs",
                "indexes": [
                    models.Index(fields=["platform", "-id"], name="classifieds_load_runs_last"),
                    models.Index(
                        fields=["platform", "newest_observed_at"],
                        name="classifieds_load_runs_observed",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("platform", "idempotency_key"), name="classifieds_load_runs_key"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="LoadSource",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        verbose_name="ID", primary_key=True, serialize=False, auto_created=True
                    ),
                ),
                ("name", models.TextField(help_text="Name of the file, without its folder.")),
                (
                    "path",
                    models.TextField(
                        blank=True,
                        help_text="Full path of the file; for a push or a held run, its kind and id, such as request 17.",
                    ),
                ),
                (
                    "digest",
                    models.CharField(
                        max_length=32,
                        blank=True,
                        help_text="BLAKE2b-128 of the file; empty for standard input.",
                    ),
                ),
                (
                    "observed_at",
                    models.DateTimeField(
                        help_text="Time of observation of the records that do not state their own."
                    ),
                ),
                (
                    "stale_times",
                    ArrayField(
                        models.DateTimeField(),
                        blank=True,
                        default=list,
                        db_default=[],
                        help_text="Ignored document times (already used by different content).",
                    ),
                ),
                (
                    "newest_payload",
                    models.BigIntegerField(
                        blank=True,
                        null=True,
                        help_text="Id of the newest payload stored before this source was read.",
                    ),
                ),
                (
                    "record_count",
                    models.BigIntegerField(
                        default=0,
                        help_text="Committed records; written in the transaction of each batch.",
                    ),
                ),
                (
                    "checkpoint",
                    models.BigIntegerField(
                        default=0,
                        help_text="Documents whose records are all committed. Resuming starts after them.",
                    ),
                ),
                (
                    "uncheckpointed_count",
                    models.BigIntegerField(
                        default=0,
                        db_default=0,
                        help_text="Committed records after the checkpoint. A resumed run reads them again.",
                    ),
                ),
                (
                    "uncheckpointed_rejected_count",
                    models.BigIntegerField(
                        default=0,
                        db_default=0,
                        help_text="Quarantined records after the checkpoint.",
                    ),
                ),
                (
                    "is_complete",
                    models.BooleanField(
                        default=False, help_text="Whether the source was read to the end."
                    ),
                ),
                (
                    "warnings",
                    ArrayField(
                        models.TextField(),
                        blank=True,
                        default=list,
                        db_default=[],
                        help_text="Problems that did not prevent loading.",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        "classifieds.loadrun", models.CASCADE, related_name="sources"
                    ),
                ),
            ],
            options={
                "db_table": "classifieds_load_sources",
                "indexes": [
                    models.Index(fields=["digest"], name="classifieds_load_sources_file"),
                    GinIndex(
                        fields=["stale_times"],
                        name="classifieds_load_sources_times",
                        condition=~models.Q(stale_times=[]),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="LoadChunk",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        verbose_name="ID", primary_key=True, serialize=False, auto_created=True
                    ),
                ),
                (
                    "sequence",
                    models.IntegerField(help_text="Position among the chunks of the run."),
                ),
                (
                    "is_held",
                    models.BooleanField(
                        default=False,
                        help_text="Whether a gate holds it. Otherwise it was received.",
                    ),
                ),
                ("body", models.BinaryField(help_text="JSON lines, compressed with zstd.")),
                (
                    "run",
                    models.ForeignKey(
                        "classifieds.loadrun", models.CASCADE, related_name="chunks", db_index=False
                    ),
                ),
            ],
            options={
                "db_table": "classifieds_load_chunks",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("run", "sequence"), name="classifieds_load_chunks_key"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="QuarantinedRecord",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        verbose_name="ID", primary_key=True, serialize=False, auto_created=True
                    ),
                ),
                ("platform", models.CharField(max_length=32)),
                (
                    "external_id",
                    models.CharField(max_length=255, blank=True, help_text="Empty if unknown."),
                ),
                ("content_hash", models.BinaryField(help_text="BLAKE2b-128 of the payload.")),
                ("reason", models.TextField()),
                (
                    "field",
                    models.CharField(
                        max_length=255,
                        blank=True,
                        help_text="The invalid field of the payload; empty if several fields are invalid.",
                    ),
                ),
                (
                    "source",
                    models.TextField(help_text="The file, and the position of the record in it."),
                ),
                (
                    "payload",
                    models.BinaryField(help_text="The record as read, compressed with zstd."),
                ),
                (
                    "shape",
                    models.CharField(
                        max_length=64,
                        blank=True,
                        help_text="Format of the payload, if it was recognized.",
                    ),
                ),
                (
                    "context",
                    models.JSONField(
                        blank=True, null=True, help_text="Metadata from its envelope."
                    ),
                ),
                (
                    "options",
                    models.JSONField(
                        default=dict, help_text="Options of its run, such as the shop."
                    ),
                ),
                ("observed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "observed_times",
                    ArrayField(
                        models.DateTimeField(),
                        blank=True,
                        default=list,
                        db_default=[],
                        help_text="All times at which it was observed. It is released at each of them.",
                    ),
                ),
                ("first_seen_at", models.DateTimeField()),
                ("last_seen_at", models.DateTimeField()),
                ("seen_count", models.BigIntegerField(default=1)),
                (
                    "run",
                    models.ForeignKey(
                        "classifieds.loadrun", models.SET_NULL, null=True, related_name="quarantine"
                    ),
                ),
            ],
            options={
                "db_table": "classifieds_quarantine",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("platform", "content_hash"), name="classifieds_quarantine_key"
                    ),
                ],
            },
        ),
    ]
