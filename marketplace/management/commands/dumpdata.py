"""Django's `dumpdata`, for one database of several."""

from django.core.management.commands import dumpdata

from marketplace.cli import AppDatabaseMixin


class Command(AppDatabaseMixin, dumpdata.Command):
    """Print the rows of apps that live in one database as a fixture."""
