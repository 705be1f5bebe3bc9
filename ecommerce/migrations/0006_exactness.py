"""What exactly-once loading needs: progress, held parts, recognition of what was seen before."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.contrib.postgres.indexes import HashIndex
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ecommerce", "0005_rates"),
    ]

    operations = [
        migrations.CreateModel(
            name="LoadChunk",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
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
            ],
            options={
                "db_table": "ecommerce_load_chunks",
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="PayloadDictionary",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("dictionary_id", models.BigIntegerField(unique=True)),
                ("platform", models.CharField(max_length=32)),
                ("shape", models.CharField(max_length=64)),
                ("body", models.BinaryField()),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "payload dictionaries",
                "db_table": "ecommerce_payload_dictionaries",
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="PayloadObservation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("month", models.DateField(help_text="First day of the month, UTC.")),
                (
                    "observed_times",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.DateTimeField(),
                        help_text="In the order of loading.",
                        size=None,
                    ),
                ),
            ],
            options={
                "db_table": "ecommerce_payload_observations",
                "abstract": False,
            },
        ),
        migrations.AddField(
            model_name="loadrun",
            name="held_count",
            field=models.BigIntegerField(default=0, help_text="Records that a gate holds."),
        ),
        migrations.AddField(
            model_name="loadrun",
            name="idempotency_key",
            field=models.CharField(
                blank=True,
                help_text="By which a request that is sent again is recognized.",
                max_length=255,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="loadrun",
            name="quality_metrics",
            field=models.JSONField(
                blank=True,
                help_text="What its gates measured; later runs are compared to it.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="loadrun",
            name="options",
            field=models.JSONField(default=dict, help_text="How it was called, to resume it."),
        ),
        migrations.AddField(
            model_name="loadsource",
            name="is_complete",
            field=models.BooleanField(default=False, help_text="Whether it was read to its end."),
        ),
        migrations.AddField(
            model_name="loadsource",
            name="path",
            field=models.TextField(blank=True, help_text="The file's full path."),
        ),
        migrations.AddField(
            model_name="loadsource",
            name="checkpoint",
            field=models.BigIntegerField(
                default=0,
                help_text="Documents whose records are committed: where a resumed run goes on.",
            ),
        ),
        migrations.AddField(
            model_name="pricepoint",
            name="is_outlier",
            field=models.BooleanField(
                help_text="True: one wrong observation, left out of lows and averages. False: a person looked at it and kept it.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="product",
            name="content_hash",
            field=models.BinaryField(
                help_text="XXH3-128 of what the newest observation said, if recognizable.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="quarantinedrecord",
            name="context",
            field=models.JSONField(blank=True, help_text="What its envelope said.", null=True),
        ),
        migrations.AddField(
            model_name="quarantinedrecord",
            name="observed_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="quarantinedrecord",
            name="options",
            field=models.JSONField(
                default=dict, help_text="The options of its run, such as the shop."
            ),
        ),
        migrations.AddField(
            model_name="quarantinedrecord",
            name="shape",
            field=models.CharField(
                blank=True,
                help_text="Its form, if it was recognized before it failed.",
                max_length=64,
            ),
        ),
        migrations.AddField(
            model_name="rawpayload",
            name="document_hash",
            field=models.UUIDField(
                help_text="XXH3-128 of the document that told it first, if that tells its own time.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="loadrun",
            name="error",
            field=models.TextField(blank=True, help_text="Why the run failed, or was held."),
        ),
        migrations.AlterField(
            model_name="loadrun",
            name="status",
            field=models.CharField(
                choices=[
                    ("queued", "Queued"),
                    ("running", "Running"),
                    ("completed", "Completed"),
                    ("failed", "Failed"),
                    ("held", "Held"),
                    ("discarded", "Discarded"),
                ],
                default="running",
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="rawpayload",
            name="body",
            field=models.BinaryField(
                help_text="JSON of payload and context, compressed with zstd and its dictionary."
            ),
        ),
        migrations.AlterField(
            model_name="rawpayload",
            name="content_hash",
            field=models.BinaryField(help_text="XXH3-128 of shape, payload and context."),
        ),
        migrations.AddIndex(
            model_name="product",
            index=HashIndex(fields=["content_hash"], name="ecommerce_products_content"),
        ),
        migrations.AddIndex(
            model_name="rawpayload",
            index=HashIndex(
                condition=models.Q(("document_hash__isnull", False)),
                fields=["document_hash"],
                name="ecommerce_payloads_document",
            ),
        ),
        migrations.AddConstraint(
            model_name="loadrun",
            constraint=models.UniqueConstraint(
                fields=("platform", "idempotency_key"), name="ecommerce_load_runs_key"
            ),
        ),
        migrations.AddField(
            model_name="loadchunk",
            name="run",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="chunks",
                to="ecommerce.loadrun",
            ),
        ),
        migrations.AddField(
            model_name="payloadobservation",
            name="payload",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="payload_observations",
                to="ecommerce.rawpayload",
            ),
        ),
        migrations.AddConstraint(
            model_name="loadchunk",
            constraint=models.UniqueConstraint(
                fields=("run", "sequence"), name="ecommerce_load_chunks_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="payloadobservation",
            constraint=models.UniqueConstraint(
                fields=("payload", "month"), name="ecommerce_payload_observations_key"
            ),
        ),
    ]
