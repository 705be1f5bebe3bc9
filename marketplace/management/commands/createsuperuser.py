"""Django's `createsuperuser`, on the database of accounts (`default`)."""

from django.contrib.auth.management.commands import createsuperuser

from marketplace.cli import AppDatabaseMixin


class Command(AppDatabaseMixin, createsuperuser.Command):
    """Create an account with all permissions in the database `default`."""

    apps = ("auth",)
