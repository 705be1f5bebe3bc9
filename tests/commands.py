"""Run commands of the project in this process."""

from io import StringIO
from typing import NamedTuple

from django.core.management import CommandError, call_command


class Outcome(NamedTuple):
    """The output, the errors and the exit code of a command."""

    out: str
    err: str
    code: int


def run(name, *arguments):
    """Return the output of a command, its errors and its exit code."""
    out, err, code = StringIO(), StringIO(), 0
    try:
        call_command(name, *arguments, stdout=out, stderr=err, no_color=True)
    except CommandError as error:
        err.write(f"CommandError: {error}\n")
        code = error.returncode
    except SystemExit as error:
        code = int(error.code or 0)
    return Outcome(out.getvalue(), err.getvalue(), code)
