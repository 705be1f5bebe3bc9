"""Django's `changepassword`, on the database of accounts (`default`)."""

from django.contrib.auth.management.commands import changepassword

from marketplace.cli import AppDatabaseMixin


class Command(AppDatabaseMixin, changepassword.Command):
    """Change the password of an account in the database `default`."""

    apps = ("auth",)
