"""The SQL of questions: one SELECT without side effects, into which values are put safely.

The analyst role may not write. But PostgreSQL allows every role to change its own settings, to
wait, to notify, and to end its other sessions. Therefore a file is checked, too: it has one
statement, which is a SELECT and calls no volatile function. The server's catalog states which
functions are volatile.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

#: The words with which a statement that only reads begins.
_FIRST_WORDS = ("select", "with", "values")

#: Words of statements that write, also within a SELECT.
_WRITING_WORDS = ("insert", "update", "delete", "merge", "into")

# Forms of literals that end elsewhere than at the next quote are not supported.
_TOKEN = re.compile(
    r"""
    (?P<comment> --[^\n\r]*)
    | (?P<unsupported> /\* | \$ | \b[eE]' | \b[uU]&['"])
    | (?P<quoted> '[^']*' | "[^"]*")
    | (?P<unclosed> ['"])
    | (?P<semicolon> ;)
    | (?P<word> [^\W\d][\w$]*)
    | (?P<percent> %(?:\(\w+\)s|%|))
    | (?P<other> \S)
    """,
    re.VERBOSE,
)
_PERCENT = re.compile(r"%(?:\((\w+)\)s|(%)|)")

_VOLATILE = "SELECT proname FROM pg_proc WHERE proname = ANY(%s) AND provolatile = 'v' ORDER BY 1"

_REASONS = {
    "unsupported": "Comments begin with --, and literals have single quotes: /* */, $$, E'' and "
    "U&'' are not supported.",
    "unclosed": "A quote is not closed.",
    "semicolon": "A question is one statement: remove the semicolon, and what follows it.",
    "percent": "Write %% for a literal percent sign.",
    "placeholder": "A placeholder cannot stand within quotes or a comment: join texts by ||.",
}


class StatementError(Exception):
    """Raised if the SQL of a question is not one SELECT.

    :param position: index of the first wrong character
    """

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.position = position


class Statement(NamedTuple):
    """The names that the text of a SELECT uses."""

    #: The names of the placeholders.
    placeholders: frozenset[str]
    #: The names that are followed by a parenthesis, among them those of all functions.
    calls: frozenset[str]


def read_statement(sql: str) -> Statement:
    """Return the placeholders and functions of a SELECT.

    :raises StatementError: if the text may be another statement, or several
    """
    placeholders: set[str] = set()
    calls: set[str] = set()
    before = ""
    for match in _tokens(sql):
        kind, token = match.lastgroup, match[0]
        if not before and token.lower() not in _FIRST_WORDS:
            raise StatementError(
                match.start(), "A question is a SELECT: it begins with SELECT, WITH or VALUES."
            )
        if token.lower() in _WRITING_WORDS:
            raise StatementError(match.start(), f"A question only reads: remove {token}.")
        if kind == "percent" and (name := _placeholder(match)):
            placeholders.add(name)
        if token == "(":
            calls.add(before)
        before = token.strip('"') if token[0] == '"' else token.lower()
    if not before:
        raise StatementError(0, "The file has no SELECT after its head.")
    return Statement(frozenset(placeholders), frozenset(calls))


def side_effects(cursor: Any, calls: frozenset[str]) -> str:
    """Return why a question may not call one of its functions; empty if it may call all."""
    cursor.execute(_VOLATILE, [sorted(calls)])
    names = ", ".join(name for (name,) in cursor.fetchall())
    return f"A question has no side effects and calls no volatile function: {names}." * bool(names)


def _tokens(sql: str) -> Iterator[re.Match[str]]:
    """Yield the tokens except comments.

    :raises StatementError: at one that is not supported
    """
    for match in _TOKEN.finditer(sql):
        kind = str(match.lastgroup)
        if kind in ("unsupported", "unclosed", "semicolon"):
            raise StatementError(match.start(), _REASONS[kind])
        if kind in ("comment", "quoted"):
            for percent in _PERCENT.finditer(match[0]):
                if _placeholder(percent, match.start()):
                    raise StatementError(match.start() + percent.start(), _REASONS["placeholder"])
        if kind != "comment":
            yield match


def _placeholder(match: re.Match[str], offset: int = 0) -> str:
    """Return the name of a placeholder; empty for an escaped percent sign.

    :param offset: position of the matched text
    """
    if match[0] == "%":
        raise StatementError(offset + match.start(), _REASONS["percent"])
    return match[0].removeprefix("%(").removesuffix(")s") if len(match[0]) > 2 else ""
