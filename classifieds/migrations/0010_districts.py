"""The canonical district of an ad, beside the published one.

It is filled when an ad is loaded with new content; `ingest --replay olx` fills it for all ads that
were loaded from payloads of the platform.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("classifieds", "0009_newest_first"),
    ]

    operations = [
        migrations.AddField(
            model_name="listing",
            name="district_canonical",
            field=models.TextField(help_text="Canonical Latin name: Yakkasaray", null=True),
        ),
    ]
