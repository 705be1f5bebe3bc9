"""Django's `sqlmigrate`, on the database of the named apps."""

from django.core.management.commands import sqlmigrate

from marketplace.cli import AppDatabaseMixin


class Command(AppDatabaseMixin, sqlmigrate.Command):
    """Print the SQL of a migration for the database of its app."""
