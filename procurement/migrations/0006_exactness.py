"""What exactly-once loading needs: progress, held parts, recognition of what was seen before."""

import django.db.models.deletion
from django.contrib.postgres.indexes import HashIndex
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("procurement", "0005_rates"),
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
                "db_table": "procurement_load_chunks",
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
            model_name="lot",
            name="content_hash",
            field=models.BinaryField(
                help_text="XXH3-128 of what the newest observation said, if recognizable.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="lotitem",
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
        migrations.AddIndex(
            model_name="lot",
            index=HashIndex(fields=["content_hash"], name="procurement_lots_content"),
        ),
        migrations.AddIndex(
            model_name="lotitem",
            index=HashIndex(fields=["content_hash"], name="procurement_lot_items_content"),
        ),
        migrations.AddConstraint(
            model_name="loadrun",
            constraint=models.UniqueConstraint(
                fields=("platform", "idempotency_key"), name="procurement_load_runs_key"
            ),
        ),
        migrations.AddField(
            model_name="loadchunk",
            name="run",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="chunks",
                to="procurement.loadrun",
            ),
        ),
        migrations.AddConstraint(
            model_name="loadchunk",
            constraint=models.UniqueConstraint(
                fields=("run", "sequence"), name="procurement_load_chunks_key"
            ),
        ),
    ]
