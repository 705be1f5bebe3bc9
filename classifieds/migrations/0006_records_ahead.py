"""What a run has counted of documents that it is not done with."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("classifieds", "0005_exactness"),
    ]

    operations = [
        migrations.AddField(
            model_name="loadsource",
            name="uncheckpointed_count",
            field=models.BigIntegerField(
                db_default=0,
                default=0,
                help_text="Records loaded beyond the checkpoint: a resumed run reads them again.",
            ),
        ),
        migrations.AddField(
            model_name="loadsource",
            name="uncheckpointed_rejected_count",
            field=models.BigIntegerField(
                db_default=0,
                default=0,
                help_text="Records put into quarantine beyond the checkpoint.",
            ),
        ),
    ]
