"""Computing rollups at the end of commands that change what they are computed from."""

from collections.abc import Iterable

from django.core.management.base import BaseCommand
from django.db import DatabaseError

from marketplace.postgresql.errors import first_line
from marketplace.rollups.refresh import refresh_quick


def compute_quick(command: BaseCommand, aliases: Iterable[str], *, is_forced: bool = False) -> None:
    """Compute the rollups that take seconds. The command does not fail if this fails.

    :param is_forced: whether to compute also those that are newer than the newest load
    """
    for alias in aliases:
        try:
            refresh_quick(alias, is_forced=is_forced)
        except DatabaseError as error:
            command.stderr.write(
                command.style.WARNING(
                    f"The rollups of {alias} were not computed: {first_line(error)}. Questions "
                    f"show the earlier rows. Run: python manage.py db_rollups --database {alias}"
                )
            )
