"""Django's `changepassword`, on the control database."""

from django.contrib.auth.management.commands import changepassword

from marketplace.cli import AppDatabaseMixin


class Command(AppDatabaseMixin, changepassword.Command):
    """Change the password of an account in the control database."""

    apps = ("auth",)
