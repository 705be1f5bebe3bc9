"""Extensions: distances on the globe, for ads within a radius."""

import django.contrib.postgres.operations
from django.db import migrations


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        django.contrib.postgres.operations.CreateExtension(
            name="cube",
        ),
        django.contrib.postgres.operations.CreateExtension(
            name="earthdistance",
        ),
    ]
