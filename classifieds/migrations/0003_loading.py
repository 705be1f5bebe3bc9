"""What loading keeps: runs, quarantine, raw payloads, exchange rates."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("classifieds", "0002_listings"),
    ]

    operations = [
        migrations.CreateModel(
            name="ExchangeRate",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("currency", models.CharField(help_text="ISO 4217.", max_length=3)),
                ("rate_date", models.DateField()),
                (
                    "rate",
                    models.DecimalField(
                        decimal_places=6,
                        help_text="UZS for one unit of the currency.",
                        max_digits=20,
                    ),
                ),
            ],
            options={
                "db_table": "classifieds_exchange_rates",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("currency", "rate_date"), name="classifieds_exchange_rates_key"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("rate__gt", 0)),
                        name="classifieds_exchange_rates_positive",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="LoadRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("platform", models.CharField(max_length=32)),
                ("source", models.TextField(help_text="The files, or - for standard input.")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("running", "Running"),
                            ("completed", "Completed"),
                            ("failed", "Failed"),
                        ],
                        default="running",
                        max_length=16,
                    ),
                ),
                ("error", models.TextField(blank=True, help_text="Why the run failed.")),
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
                ("price_point_count", models.BigIntegerField(default=0)),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "db_table": "classifieds_load_runs",
                "indexes": [
                    models.Index(fields=["platform", "-id"], name="classifieds_load_runs_last")
                ],
            },
        ),
        migrations.CreateModel(
            name="QuarantinedRecord",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("platform", models.CharField(max_length=32)),
                (
                    "external_id",
                    models.CharField(blank=True, help_text="Empty if not known.", max_length=255),
                ),
                ("content_hash", models.BinaryField(help_text="BLAKE2b-128 of the payload.")),
                ("reason", models.TextField()),
                (
                    "field",
                    models.CharField(
                        blank=True,
                        help_text="The payload's field at fault; empty if no one is.",
                        max_length=255,
                    ),
                ),
                ("source", models.TextField(help_text="The file, and the record's place in it.")),
                (
                    "payload",
                    models.BinaryField(
                        help_text="The record as it was read, compressed with zstd."
                    ),
                ),
                ("first_seen_at", models.DateTimeField()),
                ("last_seen_at", models.DateTimeField()),
                ("seen_count", models.BigIntegerField(default=1)),
                (
                    "run",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="quarantine",
                        to="classifieds.loadrun",
                    ),
                ),
            ],
            options={
                "db_table": "classifieds_quarantine",
            },
        ),
        migrations.CreateModel(
            name="RawPayload",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("platform", models.CharField(max_length=32)),
                (
                    "shape",
                    models.CharField(
                        help_text="The payload's form, such as UZ-API.", max_length=32
                    ),
                ),
                ("external_id", models.CharField(max_length=255)),
                (
                    "content_hash",
                    models.BinaryField(help_text="BLAKE2b-128 of the payload without its context."),
                ),
                (
                    "body",
                    models.BinaryField(
                        help_text="JSON of payload and context, compressed with zstd."
                    ),
                ),
                (
                    "observed_at",
                    models.DateTimeField(help_text="When this version was first observed."),
                ),
            ],
            options={
                "db_table": "classifieds_payloads",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("platform", "external_id", "content_hash"),
                        name="classifieds_payloads_key",
                    )
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="quarantinedrecord",
            constraint=models.UniqueConstraint(
                fields=("platform", "content_hash"), name="classifieds_quarantine_key"
            ),
        ),
        migrations.CreateModel(
            name="LoadSource",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.TextField(help_text="The file's name without its folder.")),
                (
                    "digest",
                    models.CharField(
                        blank=True,
                        help_text="BLAKE2b-128 of the file; empty if it is none.",
                        max_length=32,
                    ),
                ),
                (
                    "observed_at",
                    models.DateTimeField(
                        help_text="Time of its records that tell none themselves."
                    ),
                ),
                (
                    "record_count",
                    models.BigIntegerField(
                        default=0, help_text="Written in the transaction of each batch."
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sources",
                        to="classifieds.loadrun",
                    ),
                ),
            ],
            options={
                "db_table": "classifieds_load_sources",
            },
        ),
        migrations.AddIndex(
            model_name="loadsource",
            index=models.Index(fields=["digest"], name="classifieds_load_sources_file"),
        ),
    ]
