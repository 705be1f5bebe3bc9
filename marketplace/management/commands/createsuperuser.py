"""Django's `createsuperuser`, on the control database."""

from django.contrib.auth.management.commands import createsuperuser

from marketplace.cli import AppDatabaseMixin


class Command(AppDatabaseMixin, createsuperuser.Command):
    """Create an account with all permissions in the control database."""

    apps = ("auth",)
