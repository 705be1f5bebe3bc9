"""Django's `sqlmigrate`, for one database of several."""

from django.core.management.commands import sqlmigrate

from marketplace.cli import AppDatabaseMixin


class Command(AppDatabaseMixin, sqlmigrate.Command):
    """Print the SQL of a migration for the database in which its app lives."""
