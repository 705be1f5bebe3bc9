"""The newest observation that each run has loaded: when a platform was last observed."""

from django.db import migrations, models

# Runs of earlier releases have no such time: the last one of each platform gets it.
_FILL = """
UPDATE classifieds_load_runs AS r SET newest_observed_at = newest.at
FROM (SELECT platform, max(last_seen_at) AS at FROM classifieds_listings GROUP BY platform) AS newest
WHERE
    r.platform = newest.platform
    AND r.id = (SELECT max(id) FROM classifieds_load_runs AS last WHERE last.platform = r.platform)
"""


class Migration(migrations.Migration):
    dependencies = [
        ("classifieds", "0010_districts"),
    ]

    operations = [
        migrations.AddField(
            model_name="loadrun",
            name="newest_observed_at",
            field=models.DateTimeField(
                blank=True, help_text="The newest observation that it has loaded.", null=True
            ),
        ),
        migrations.RunSQL(_FILL, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="loadrun",
            index=models.Index(
                fields=["platform", "newest_observed_at"], name="classifieds_load_runs_observed"
            ),
        ),
    ]
