"""The extensions cube and earthdistance: listings are searched within a radius."""

from django.contrib.postgres.operations import CreateExtension
from django.db import migrations


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [CreateExtension("cube"), CreateExtension("earthdistance")]
