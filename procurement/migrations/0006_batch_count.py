"""Sources count their committed batches; a checkpoint can lie within a document."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("procurement", "0005_rates")]

    operations = [
        migrations.RenameField("loadsource", "record_count", "batch_count"),
        migrations.AlterField(
            "loadsource",
            "batch_count",
            models.BigIntegerField(
                default=0,
                help_text="Committed batches; written in the transaction of each batch.",
            ),
        ),
        migrations.AddField(
            "loadsource",
            "checkpoint_records",
            models.BigIntegerField(
                default=0,
                db_default=0,
                help_text="Committed records of the document after the checkpoint.",
            ),
        ),
        migrations.RemoveField("loadsource", "uncheckpointed_count"),
        migrations.RemoveField("loadsource", "uncheckpointed_rejected_count"),
    ]
