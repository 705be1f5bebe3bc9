"""Ask a question."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, cast

from django.core.management.base import CommandError, CommandParser
from django.db import Error
from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from marketplace.cli import IntermixedParser, ParagraphCommand, exit_on_closed_pipe
from marketplace.exceptions import MarketplaceError, ParameterError, QuestionError
from marketplace.humanize import counted
from marketplace.postgresql.errors import explain
from marketplace.questions import exports
from marketplace.questions.answers import Answer, ask
from marketplace.questions.columns import Column
from marketplace.questions.definition import get_question, read_questions
from marketplace.questions.document import document

#: Rows of a table on a terminal, unless --limit states another number.
_TABLE_ROWS = 50

#: Maximum number of characters of a line of a table that is not written to a terminal.
_PIPE_WIDTH = 2000

#: Characters that a column of texts needs at least; longer texts are wrapped.
_TEXT_WIDTH = 16

#: Types of columns that a table on a terminal does not print: addresses are long.
_NOT_PRINTED = ("link", "image")


class Command(ParagraphCommand):
    """Ask a question about one of the databases, and print the answer."""

    help = """Ask a question about one of the databases.

    Without arguments, the questions and their parameters are listed.

    Examples:
      python manage.py ask ecommerce.price_drops since=-7d platform=uzum
      python manage.py ask procurement.savings --format csv --output savings.csv

    Exits with 2 if a question or parameter is not valid, and with 1 if the database cannot answer.
    """
    requires_system_checks = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Return a parser that preserves the paragraphs of `help`, and accepts any order."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        # Django creates the parser itself, so its class cannot be chosen.
        parser.__class__ = IntermixedParser
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the arguments."""
        parser.add_argument(
            "question",
            nargs="?",
            metavar="QUESTION",
            help="Name of the question, such as ecommerce.compare.",
        )
        parser.add_argument(
            "parameters", nargs="*", metavar="NAME=VALUE", help="Parameters of the question."
        )
        parser.add_argument(
            "--format",
            choices=("table", *exports.FORMATS),
            default="table",
            help="Format of the answer. Default: table.",
        )
        parser.add_argument(
            "--output", metavar="FILE", help="Write to a file instead of the terminal."
        )
        parser.add_argument(
            "--limit",
            type=int,
            metavar="N",
            help=f"Maximum number of rows. Default: {_TABLE_ROWS} for a table, else all.",
        )

        parser.add_argument(
            "--document", action="store_true", help="Print the content of docs/questions.md."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """List the questions, or print an answer."""
        if options["document"]:
            self.stdout.write(document(), ending="")
            return
        if not options["question"]:
            self._list()
            return
        try:
            self._answer(options)
        except ParameterError as error:
            raise CommandError(f"{error}.", returncode=2) from None
        except QuestionError as error:
            raise CommandError(str(error), returncode=2) from None
        except (Error, MarketplaceError) as error:
            raise CommandError(explain(error)) from error

    def _answer(self, options: dict[str, Any]) -> None:
        question = get_question(options["question"])
        kind, output = options["format"], options["output"]
        limit = options["limit"]
        if limit is None and kind == "table" and not output:
            limit = _TABLE_ROWS
        with ask(question.name, limit=limit, **_split(options["parameters"])) as answer:
            if kind == "table":
                self._print_table(answer)
            elif output:
                with exports.complete_file(Path(output)) as file:
                    exports.write(answer, kind, file)
                self.stderr.write(f"{output}: {counted(answer.row_count, 'row')}")
            else:
                with exit_on_closed_pipe():
                    exports.write(answer, kind, sys.stdout.buffer)
            self._describe(answer)

    def _print_table(self, answer: Answer) -> None:
        columns = [column for column in answer.shown_columns if column.type not in _NOT_PRINTED]
        rows = list(answer.as_dicts())
        cells = [[column.format(row) for row in rows] for column in columns]
        console = Console(file=cast(IO[str], self.stdout))
        # A pipe has no width: it gets all columns.
        limit = console.width if sys.stdout.isatty() or "COLUMNS" in os.environ else None
        fitting = _count_fitting(columns, cells, limit)
        table = Table(box=box.SIMPLE_HEAD)
        for column in columns[:fitting]:
            justify: JustifyMethod = "right" if column.is_numeric else "left"
            # Numbers stay whole; texts are wrapped.
            table.add_column(column.label, justify=justify, no_wrap=column.is_numeric)
        for row in zip(*cells[:fitting], strict=True):
            table.add_row(*map(Text, row))
        self.stdout.write(self.style.MIGRATE_HEADING(answer.question.title["en"]))
        console.print(table, width=limit or _PIPE_WIDTH)
        if hidden := ", ".join(column.label for column in columns[fitting:]):
            self.stderr.write(
                f"Columns that do not fit: {hidden}. Use a wider terminal, or --format csv."
            )

    def _describe(self, answer: Answer) -> None:
        """Print on which data the answer is based."""
        self.stderr.write(answer.basis)
        if answer.is_truncated:
            self.stderr.write(
                self.style.WARNING(
                    f"Only the first {counted(answer.row_count, 'row')} are shown; use --limit."
                )
            )

    def _list(self) -> None:
        questions, errors = read_questions()
        for question in questions.values():
            self.stdout.write(self.style.MIGRATE_HEADING(question.name))
            self.stdout.write(f"  {question.title['en']}. {question.description['en']}")
            for parameter in question.parameters:
                default = f", default {parameter.default}" if parameter.default else ""
                required = ", required" if parameter.is_required else ""
                choices = f": {', '.join(parameter.choices)}" if parameter.choices else ""
                self.stdout.write(
                    f"    {parameter.name}  {parameter.type}{choices}{default}{required}"
                )
        for error in errors:
            self.stderr.write(self.style.WARNING(str(error)))


def _count_fitting(
    columns: Sequence[Column], cells: Sequence[Sequence[str]], limit: int | None
) -> int:
    """Return how many columns fit into a line: at least one.

    :param cells: the texts of each column
    :param limit: characters of a line; None if it is not limited
    """
    width = 0
    for number, (column, texts) in enumerate(zip(columns, cells, strict=True)):
        longest = max(map(len, [column.label, *texts]))
        # The table adds a space on each side.
        width += 2 + (longest if column.is_numeric else min(longest, _TEXT_WIDTH))
        if limit is not None and width + 2 > limit and number:
            return number
    return len(columns)


def _split(arguments: list[str]) -> dict[str, str]:
    """Return the parameters in arguments of the form NAME=VALUE.

    :raises ParameterError: if an argument has another form, or a name is repeated
    """
    values: dict[str, str] = {}
    for argument in arguments:
        name, separator, value = argument.partition("=")
        if not separator or not name.isidentifier():
            raise ParameterError(argument[:50], "is not of the form NAME=VALUE")
        if name in values:
            raise ParameterError(name, "is stated twice")
        values[name] = value
    return values
