"""The former name of the command db_record_sizes."""

from marketplace.management.commands import db_record_sizes


class Command(db_record_sizes.Command):
    """Record the sizes of the databases, under the former name of the command."""

    help = "Deprecated alias of db_record_sizes, with the same options."
