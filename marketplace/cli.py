"""Base classes and options of the commands that work on databases."""

import inspect
import json
import os
import re
import select
import signal
import sys
import textwrap
from argparse import ArgumentTypeError
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
    """Preserves the paragraphs of a command's help, which argparse would join.

    A line that ends within a sentence is joined with the next. Indented lines are printed
    unchanged, so that they can be copied into a shell.
    """

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs: list[str] = []
        for line in inspect.cleandoc(text).splitlines():
            previous = paragraphs[-1] if paragraphs else ""
            if re.match(r"\S.*[^.:;]$", previous) and re.match(r"\S", line):
                paragraphs[-1] = f"{previous} {line}"
            else:
                paragraphs.append(line)
        return "\n".join(
            line if line.startswith(" ") else textwrap.fill(line, width) for line in paragraphs
        )


class IntermixedParser(CommandParser):
    """Accepts positional arguments between options: `discard run --force uzum-17`."""

    _is_mixing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse intermixed arguments; argparse calls this method again for each half."""
        if self._is_mixing:
            return super().parse_known_args(args, namespace)
        self._is_mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_mixing = False


class ParagraphCommand(BaseCommand):
    """A command whose help has paragraphs."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Return a parser that preserves the paragraphs of `help`."""
        return super().create_parser(
            prog_name, subcommand, formatter_class=ParagraphFormatter, **kwargs
        )


class DatabaseCommand(ParagraphCommand):
    """A command that visits several databases and continues if one of them fails."""

    # The databases may not exist yet.
    requires_system_checks = []

    #: The aliases that --database accepts; without the option all of them are visited.
    choices: Sequence[str] = ALIASES

    def add_arguments(self, parser: CommandParser) -> None:
        """Add --database."""
        parser.add_argument(
            "--database",
            action="append",
            choices=self.choices,
            metavar="ALIAS",
            help=f"Work on this database only: {', '.join(self.choices)}. May be repeated. "
            "Default: all of them.",
        )

    def selected(self, options: dict[str, Any]) -> tuple[str, ...]:
        """Return the aliases to visit, without duplicates.

        :raises CommandError: if an alias is unknown; `call_command` does not check choices
        """
        named = options["database"] or self.choices
        aliases = tuple(dict.fromkeys([named] if isinstance(named, str) else named))
        for alias in aliases:
            if alias not in self.choices:
                raise CommandError(
                    f"Unknown database {alias}. Choose from {', '.join(self.choices)}."
                )
        return aliases

    def visit(self, aliases: Sequence[str], function: Callable[[str], bool | None]) -> None:
        """Call `function` with each alias, even if calls for other aliases fail.

        :param function: fails by returning False or by an error, which is passed to `report_error`
        :raises CommandError: if a call failed
        """
        self.fail_if([alias for alias in aliases if not self._succeeds(alias, function)], aliases)

    def report_error(self, alias: str, message: str) -> None:
        """Print why a database failed."""
        self.stderr.write(f"{alias.upper()}: {message}")

    def fail_if(self, failed: Sequence[str], aliases: Sequence[str]) -> None:
        """Exit with 1 if a database failed.

        :raises CommandError: with the names of the failed databases
        """
        if failed:
            raise CommandError(
                f"{len(failed)} of {counted(len(aliases), 'database')} failed: {', '.join(failed)}"
            )

    def print_json(self, value: Any) -> None:
        """Print the value as JSON; times are in ISO 8601."""
        text = json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2)
        self.stdout.write(text)

    def confirm(self, action: str, name: str) -> None:
        """Ask the user to type `name` before an action that destroys data.

        :param action: a sentence about the action
        :raises CommandError: if the user types anything else, or stdin is not a terminal
        """
        self.stderr.write(f"{action} Type {name} to continue: ", ending="")
        self.stderr.flush()
        try:
            answer = input()
        except EOFError:
            self.stderr.write("")
            raise CommandError(
                "Standard input has ended: nothing was confirmed. Add --force."
            ) from None
        if answer.strip() != name:
            raise CommandError("Not confirmed: no changes were made.")

    def _succeeds(self, alias: str, function: Callable[[str], bool | None]) -> bool:
        try:
            return function(alias) is not False
        except (Error, MarketplaceError, CommandError) as error:
            self.report_error(alias, explain(error))
            return False


class AppDatabaseMixin(BaseCommand):
    """Runs a command of Django on the database of the named apps.

    Without --database, Django uses `default`, where most apps have no tables. All tables of an app
    are in one database, so the app's name determines the database.
    """

    #: The apps of the command if the command line has no app.
    apps: Sequence[str] = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the command's arguments, and remove the default of --database."""
        super().add_arguments(parser)
        parser.set_defaults(database=None)

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Choose the database and run the command.

        :raises CommandError: if the apps do not belong to the database of --database, or to
            different ones
        """
        labels = options.get("app_label") or options.get("args") or args or self.apps
        names = [labels] if isinstance(labels, str) else labels
        apps = dict.fromkeys(str(name).partition(".")[0] for name in names)
        named = options["database"]
        options["database"] = self._choose(named, list(apps))
        self.is_database_named = named is not None
        return super().execute(*args, **options)

    def _choose(self, named: str | None, apps: Sequence[str]) -> str:
        aliases_by_app = {app: alias for app in apps if (alias := database_of(app)) is not None}
        aliases = set(aliases_by_app.values())
        if len(aliases) > 1:
            listed = ", ".join(f"{app} in {alias}" for app, alias in aliases_by_app.items())
            raise CommandError(
                f"These apps belong to different databases: {listed}. Run the command for each "
                "database separately."
            )
        if named is None:
            return aliases.pop() if aliases else CONTROL
        for app, alias in aliases_by_app.items():
            if alias != named:
                raise CommandError(
                    f"The app {app} belongs to the database {alias}, not to {named}. "
                    f"Use --database={alias}, or omit --database."
                )
        return named

    def write_database(self, alias: str) -> None:
        """Print the chosen database and the alternatives, unless --database was given."""
        if not self.is_database_named:
            name = connections[alias].settings_dict["NAME"]
            others = "|".join(other for other in (CONTROL, *ALIASES) if other != alias)
            self.stdout.write(f"Database: {alias} ({name}). To choose another: --database={others}")


@contextmanager
def exit_on_closed_pipe() -> Iterator[None]:
    """Exit without a traceback when the reader of the output closes the pipe, as `head` does.

    :raises SystemExit: with the exit code for SIGPIPE
    """
    try:
        try:
            yield
        finally:
            # Flush here: otherwise the error would occur when the interpreter exits.
            sys.stdout.flush()
    except BrokenPipeError:
        closed = [stream for stream in (sys.stdout, sys.stderr) if _has_no_reader(stream.fileno())]
        if not closed:
            # Another pipe was closed, such as that of a child process: a real error.
            raise
        for stream in closed:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise SystemExit(128 + signal.SIGPIPE) from None


def _has_no_reader(descriptor: int) -> bool:
    """Return whether the descriptor is a pipe whose reader has closed it."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def add_jobs_argument(parser: CommandParser, action: str) -> None:
    """Add --jobs, for commands that run several processes.

    :param action: of the processes, such as "restore"
    """
    parser.add_argument(
        "--jobs",
        type=_positive,
        default=min(os.cpu_count() or 1, 8),
        help=f"Number of parallel processes that {action} (default: %(default)s).",
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text} is not a number of at least 1.")
    return int(text)


def add_unsigned_argument(parser: CommandParser) -> None:
    """Add --unsigned, for commands that read backup sets."""
    parser.add_argument(
        "--unsigned",
        action="store_true",
        help="Accept a set without a signature, written before BACKUP_SIGNING_KEY was set. A wrong "
        "signature is still rejected.",
    )


def add_format_argument(parser: CommandParser) -> None:
    """Add --format."""
    parser.add_argument(
        "--format",
        choices=("text", "json"),
        default="text",
        help="Output format. Default: text.",
    )


def add_destructive_arguments(parser: CommandParser) -> None:
    """Add --dry-run and --force."""
    parser.add_argument(
        "--dry-run", action="store_true", help="Print the actions without performing them."
    )
    parser.add_argument("--force", action="store_true", help="Do not ask for a typed confirmation.")
