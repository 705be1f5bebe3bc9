"""What loading records: runs, their sources and chunks, and quarantine."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ecommerce", "0003_price_history")]

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
                ("source", models.TextField(help_text="The files, or - for standard input.")),
                (
                    "idempotency_key",
                    models.CharField(
                        max_length=255,
                        blank=True,
                        null=True,
                        help_text="By which a request that is sent again is recognized.",
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
                    models.TextField(blank=True, help_text="Why the run failed, or was held."),
                ),
                (
                    "options",
                    models.JSONField(default=dict, help_text="How it was called, to resume it."),
                ),
                (
                    "quality_metrics",
                    models.JSONField(
                        blank=True,
                        null=True,
                        help_text="What its gates measured; later runs are compared to it.",
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
                        help_text="The newest observation that it has loaded.",
                    ),
                ),
            ],
            options={
                "db_table": "ecommerce_load_runs",
                "indexes": [
                    models.Index(fields=["platform", "-id"], name="ecommerce_load_runs_last"),
                    models.Index(
                        fields=["platform", "newest_observed_at"],
                        name="ecommerce_load_runs_observed",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("platform", "idempotency_key"), name="ecommerce_load_runs_key"
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
                ("name", models.TextField(help_text="The file's name without its folder.")),
                ("path", models.TextField(blank=True, help_text="The file's full path.")),
                (
                    "digest",
                    models.CharField(
                        max_length=32,
                        blank=True,
                        help_text="BLAKE2b-128 of the file; empty if it is none.",
                    ),
                ),
                (
                    "observed_at",
                    models.DateTimeField(
                        help_text="Time of its records that tell none themselves."
                    ),
                ),
                (
                    "stale_times",
                    ArrayField(
                        models.DateTimeField(),
                        blank=True,
                        default=list,
                        db_default=[],
                        help_text="Times in its documents that do not count: other content had them before.",
                    ),
                ),
                (
                    "newest_payload",
                    models.BigIntegerField(
                        blank=True,
                        null=True,
                        help_text="Id of the newest payload that was stored before it.",
                    ),
                ),
                (
                    "record_count",
                    models.BigIntegerField(
                        default=0, help_text="Written in the transaction of each batch."
                    ),
                ),
                (
                    "checkpoint",
                    models.BigIntegerField(
                        default=0,
                        help_text="Documents whose records are committed: where a resumed run goes on.",
                    ),
                ),
                (
                    "uncheckpointed_count",
                    models.BigIntegerField(
                        default=0,
                        db_default=0,
                        help_text="Records loaded beyond the checkpoint: a resumed run reads them again.",
                    ),
                ),
                (
                    "uncheckpointed_rejected_count",
                    models.BigIntegerField(
                        default=0,
                        db_default=0,
                        help_text="Records put into quarantine beyond the checkpoint.",
                    ),
                ),
                (
                    "is_complete",
                    models.BooleanField(default=False, help_text="Whether it was read to its end."),
                ),
                (
                    "warnings",
                    ArrayField(
                        models.TextField(),
                        blank=True,
                        default=list,
                        db_default=[],
                        help_text="What a person should know, though its records were loaded.",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey("ecommerce.loadrun", models.CASCADE, related_name="sources"),
                ),
            ],
            options={
                "db_table": "ecommerce_load_sources",
                "indexes": [
                    models.Index(fields=["digest"], name="ecommerce_load_sources_file"),
                    GinIndex(
                        fields=["stale_times"],
                        name="ecommerce_load_sources_times",
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
                    models.IntegerField(help_text="Its place among the parts of its run."),
                ),
                (
                    "is_held",
                    models.BooleanField(
                        default=False, help_text="Whether a gate holds it; else it was received."
                    ),
                ),
                ("body", models.BinaryField(help_text="JSON lines, compressed with zstd.")),
                (
                    "run",
                    models.ForeignKey(
                        "ecommerce.loadrun", models.CASCADE, related_name="chunks", db_index=False
                    ),
                ),
            ],
            options={
                "db_table": "ecommerce_load_chunks",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("run", "sequence"), name="ecommerce_load_chunks_key"
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
                    models.CharField(max_length=255, blank=True, help_text="Empty if not known."),
                ),
                ("content_hash", models.BinaryField(help_text="BLAKE2b-128 of the payload.")),
                ("reason", models.TextField()),
                (
                    "field",
                    models.CharField(
                        max_length=255,
                        blank=True,
                        help_text="The payload's field at fault; empty if no one is.",
                    ),
                ),
                ("source", models.TextField(help_text="The file, and the record's place in it.")),
                (
                    "payload",
                    models.BinaryField(
                        help_text="The record as it was read, compressed with zstd."
                    ),
                ),
                (
                    "shape",
                    models.CharField(
                        max_length=64,
                        blank=True,
                        help_text="Its form, if it was recognized before it failed.",
                    ),
                ),
                (
                    "context",
                    models.JSONField(blank=True, null=True, help_text="What its envelope said."),
                ),
                (
                    "options",
                    models.JSONField(
                        default=dict, help_text="The options of its run, such as the shop."
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
                        help_text="All times at which it was observed: it is released at each of them.",
                    ),
                ),
                ("first_seen_at", models.DateTimeField()),
                ("last_seen_at", models.DateTimeField()),
                ("seen_count", models.BigIntegerField(default=1)),
                (
                    "run",
                    models.ForeignKey(
                        "ecommerce.loadrun", models.SET_NULL, null=True, related_name="quarantine"
                    ),
                ),
            ],
            options={
                "db_table": "ecommerce_quarantine",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("platform", "content_hash"), name="ecommerce_quarantine_key"
                    ),
                ],
            },
        ),
    ]
