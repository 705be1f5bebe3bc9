"""The base class of the commands that work on databases."""

import inspect
import json
import os
import re
import select
import signal
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.management.base import (
    BaseCommand,
    CommandError,
    CommandParser,
    DjangoHelpFormatter,
)
from django.core.serializers.json import DjangoJSONEncoder
from django.db import Error, connections

from marketplace.exceptions import MarketplaceError
from marketplace.humanize import counted
from marketplace.postgresql.errors import explain
from marketplace.registry import ALIASES, CONTROL
from marketplace.routers import database_of


class ParagraphFormatter(DjangoHelpFormatter):
    """Keeps the lines of a command's help apart, where argparse makes one paragraph of them.

    A line that ends within a sentence goes on in the next. One that is indented stays as it is, to
    be copied into a shell.
    """

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs: list[str] = []
        for line in inspect.cleandoc(text).splitlines():
            before = paragraphs[-1] if paragraphs else ""
            if re.match(r"\S.*[^.:;]$", before) and re.match(r"\S", line):
                paragraphs[-1] = f"{before} {line}"
            else:
                paragraphs.append(line)
        return "\n".join(
            line if line.startswith(" ") else textwrap.fill(line, width) for line in paragraphs
        )


class IntermixedParser(CommandParser):
    """Takes words before, between and after options: `discard run --force uzum-17`."""

    _is_mixing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the options first; argparse calls this once more for each half."""
        if self._is_mixing:
            return super().parse_known_args(args, namespace)
        self._is_mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_mixing = False


class DatabaseCommand(BaseCommand):
    """A command that visits each database, and goes on when one of them fails."""

    # The databases may not exist yet.
    requires_system_checks = []

    #: The aliases that may be chosen; all of them are visited if none is.
    choices: Sequence[str] = ALIASES

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Return a parser that keeps the lines of `help`."""
        return super().create_parser(
            prog_name, subcommand, formatter_class=ParagraphFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add --database."""
        parser.add_argument(
            "--database",
            action="append",
            choices=self.choices,
            metavar="ALIAS",
            help=f"Work on this database only: {', '.join(self.choices)}. May be repeated. "
            "All of them by default.",
        )

    def selected(self, options: dict[str, Any]) -> tuple[str, ...]:
        """Return the aliases to visit, each once.

        :raises CommandError: if one is unknown, as `call_command` does not check choices
        """
        named = options["database"] or self.choices
        aliases = tuple(dict.fromkeys([named] if isinstance(named, str) else named))
        for alias in aliases:
            if alias not in self.choices:
                raise CommandError(
                    f"There is no database {alias} here. Choose from {', '.join(self.choices)}."
                )
        return aliases

    def visit(self, aliases: Sequence[str], function: Callable[[str], bool | None]) -> None:
        """Call `function` with each alias, whether or not others fail.

        :param function: fails by returning False, or by an error, which `report_error` gets
        :raises CommandError: if any failed
        """
        self.fail_if([alias for alias in aliases if not self._succeeds(alias, function)], aliases)

    def report_error(self, alias: str, message: str) -> None:
        """Say why a database failed."""
        self.stderr.write(f"{alias.upper()}: {message}")

    def fail_if(self, failed: Sequence[str], aliases: Sequence[str]) -> None:
        """Exit with 1 if any of the databases failed.

        :raises CommandError: with their names
        """
        if failed:
            raise CommandError(
                f"{len(failed)} of {counted(len(aliases), 'database')} failed: {', '.join(failed)}"
            )

    def print_json(self, value: Any) -> None:
        """Print the value for a program to read; times are ISO 8601."""
        text = json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2)
        self.stdout.write(text)

    def confirm(self, action: str, name: str) -> None:
        """Ask the user to type `name` before an action that destroys data.

        :param action: what is about to happen, as a sentence
        :raises CommandError: if the user types something else, or there is no user
        """
        self.stderr.write(f"{action} Type {name} to go on: ", ending="")
        self.stderr.flush()
        try:
            answer = input()
        except EOFError:
            self.stderr.write("")
            raise CommandError("Not a terminal: add --force.") from None
        if answer.strip() != name:
            raise CommandError("Not confirmed: nothing was done.")

    def _succeeds(self, alias: str, function: Callable[[str], bool | None]) -> bool:
        try:
            return function(alias) is not False
        except (Error, MarketplaceError, CommandError) as error:
            self.report_error(alias, explain(error))
            return False


class AppDatabaseMixin(BaseCommand):
    """Runs a command of Django on the database of the apps that are named.

    Django takes `default` where --database is missing, in which most apps have no tables. An app
    lives in one database, so that its name says enough.
    """

    #: The apps that the command is about, where the command line names none.
    apps: Sequence[str] = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the command's own arguments; --database has no default."""
        super().add_arguments(parser)
        parser.set_defaults(database=None)

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Choose the database, and run the command.

        :raises CommandError: if the apps live in another database than the one named
        """
        labels = options.get("app_label") or options.get("args") or args or self.apps
        names = [labels] if isinstance(labels, str) else labels
        apps = dict.fromkeys(str(name).partition(".")[0] for name in names)
        named = options["database"]
        options["database"] = self._choose(named, list(apps))
        self.is_database_named = named is not None
        return super().execute(*args, **options)

    def _choose(self, named: str | None, apps: Sequence[str]) -> str:
        homes = {app: alias for app in apps if (alias := database_of(app)) is not None}
        aliases = set(homes.values())
        if len(aliases) > 1:
            listed = ", ".join(f"{app} in {alias}" for app, alias in homes.items())
            raise CommandError(
                f"These apps live in different databases: {listed}. Run the command for each "
                "database by itself."
            )
        if named is None:
            return aliases.pop() if aliases else CONTROL
        for app, alias in homes.items():
            if alias != named:
                raise CommandError(
                    f"The app {app} lives in the database {alias}, not in {named}. "
                    f"Use --database={alias}, or leave out --database."
                )
        return named

    def write_database(self, alias: str) -> None:
        """Say which database was chosen, and how to choose another, unless the user named one."""
        if not self.is_database_named:
            name = connections[alias].settings_dict["NAME"]
            others = "|".join(other for other in (CONTROL, *ALIASES) if other != alias)
            self.stdout.write(f"Database: {alias} ({name}). For another one: --database={others}")


@contextmanager
def readers_may_leave() -> Iterator[None]:
    """End quietly, as other programs do, when whoever reads what is printed has gone: `… | head`.

    :raises SystemExit: with what a shell has for SIGPIPE
    """
    try:
        try:
            yield
        finally:
            # What is still to be written has to fail here, and not when Python ends.
            sys.stdout.flush()
    except BrokenPipeError:
        left = [stream for stream in (sys.stdout, sys.stderr) if _is_unread(stream.fileno())]
        if not left:
            # Somebody else went away, such as a process of ours: that is an error.
            raise
        for stream in left:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise SystemExit(128 + signal.SIGPIPE) from None


def _is_unread(descriptor: int) -> bool:
    """Return whether it is a pipe whose reader has gone."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def add_unsigned_argument(parser: CommandParser) -> None:
    """Add --unsigned, for commands that read backup sets."""
    parser.add_argument(
        "--unsigned",
        action="store_true",
        help="Accept a set without a signature, made before BACKUP_SIGNING_KEY was set. A wrong "
        "signature is refused all the same.",
    )


def add_format_argument(parser: CommandParser) -> None:
    """Add --format."""
    parser.add_argument(
        "--format",
        choices=("text", "json"),
        default="text",
        help="text for a person, json for a program. text by default.",
    )


def add_destructive_arguments(parser: CommandParser) -> None:
    """Add --dry-run and --force."""
    parser.add_argument(
        "--dry-run", action="store_true", help="Say what would be done, and do nothing."
    )
    parser.add_argument("--force", action="store_true", help="Do not ask for a typed confirmation.")
