"""Django's `dumpdata`, on the database of the named apps."""

from django.core.management.commands import dumpdata

from marketplace.cli import AppDatabaseMixin


class Command(AppDatabaseMixin, dumpdata.Command):
    """Print the rows of apps in one database as a fixture."""
