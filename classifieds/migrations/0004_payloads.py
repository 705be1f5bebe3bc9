"""Raw payloads, the dictionaries that compress them, and the times at which they were observed."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import HashIndex
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("classifieds", "0003_loading")]

    operations = [
        migrations.CreateModel(
            name="RawPayload",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        verbose_name="ID", primary_key=True, serialize=False, auto_created=True
                    ),
                ),
                ("platform", models.CharField(max_length=32)),
                (
                    "shape",
                    models.CharField(
                        max_length=32, help_text="Format of the payload, such as UZ-API."
                    ),
                ),
                ("external_id", models.CharField(max_length=255)),
                (
                    "content_hash",
                    models.BinaryField(help_text="XXH3-128 of shape, payload and context."),
                ),
                (
                    "document_hash",
                    models.UUIDField(
                        null=True,
                        help_text="XXH3-128 of the first document that had this payload, if it has a time.",
                    ),
                ),
                (
                    "body",
                    models.BinaryField(
                        help_text="JSON of payload and context, compressed with zstd and its dictionary."
                    ),
                ),
                (
                    "observed_at",
                    models.DateTimeField(
                        help_text="Time at which this version was first observed."
                    ),
                ),
            ],
            options={
                "db_table": "classifieds_payloads",
                "indexes": [
                    HashIndex(
                        fields=["document_hash"],
                        name="classifieds_payloads_document",
                        condition=models.Q(document_hash__isnull=False),
                    ),
                    models.Index(fields=["observed_at"], name="classifieds_payloads_observed"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("platform", "external_id", "content_hash"),
                        name="classifieds_payloads_key",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PayloadDictionary",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        verbose_name="ID", primary_key=True, serialize=False, auto_created=True
                    ),
                ),
                ("dictionary_id", models.BigIntegerField(unique=True)),
                ("platform", models.CharField(max_length=32)),
                ("shape", models.CharField(max_length=64)),
                ("body", models.BinaryField()),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "db_table": "classifieds_payload_dictionaries",
                "verbose_name_plural": "payload dictionaries",
            },
        ),
        migrations.CreateModel(
            name="PayloadObservation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        verbose_name="ID", primary_key=True, serialize=False, auto_created=True
                    ),
                ),
                ("month", models.DateField(help_text="First day of the month, UTC.")),
                (
                    "observed_times",
                    ArrayField(models.DateTimeField(), help_text="In the order of loading."),
                ),
                (
                    "payload",
                    models.ForeignKey(
                        "classifieds.rawpayload",
                        models.DO_NOTHING,
                        related_name="payload_observations",
                        db_constraint=False,
                        db_index=False,
                    ),
                ),
            ],
            options={
                "db_table": "classifieds_payload_observations",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("payload", "month"), name="classifieds_payload_observations_key"
                    ),
                ],
            },
        ),
    ]
