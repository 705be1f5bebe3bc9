"""Checks that are SQL files with the texts of their findings.

A comment in TOML at the start of the file has the title of the check, and a table for each finding,
named by its code: `subject`, `what`, `why` and `fix` are templates, `evidence` lists columns. The
statement returns a row for each finding. Its columns fill the templates, or replace a missing one.
`code` names the finding if there are several, and `severity` is "warning" if it is missing. A table
with `skipped` or `insufficient_data` is not a finding, but states what could not be checked.
`{name}` in the statement stands for `sql/name.sql`.
"""

import re
import string
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from django.db import connections

from marketplace.databases.roles.definitions import (
    DATABASE_SHARE,
    roles_of,
    statement_timeout_seconds,
)
from marketplace.doctor.checks import Check, CheckContext
from marketplace.doctor.findings import Finding, Severity
from marketplace.doctor.session import Row, reading, rows
from marketplace.humanize import duration, file_size, format_time, one_line
from marketplace.postgresql.sql_files import read_sql, split_head

#: Characters of a query that a finding quotes.
_SHOWN = 120

#: How templates format columns: {bytes:size}.
_FORMATS: Mapping[str, Callable[[Any], str]] = {
    "ago": lambda seconds: "never" if seconds is None else f"{duration(seconds)} ago",
    "duration": duration,
    "query": lambda text: one_line(text, _SHOWN),
    "size": file_size,
    "time": lambda time: "never" if time is None else format_time(time),
}


class _Formatter(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        function = _FORMATS.get(format_spec)
        return function(value) if function else str(super().format_field(value, format_spec))


def sql_check(name: str) -> Check:
    """Return the check in `sql/<name>.sql`."""
    parts = split_head(read_sql(__file__, name))
    if parts is None:
        raise ValueError(f"{name}.sql has no comment with its findings.")
    head, statement = parts
    texts = tomllib.loads(head)
    title = texts.pop("title")
    statement = re.sub(r"\{(\w+)\}", lambda name: read_sql(__file__, name[1]), statement)
    codes = tuple(code for code, text in texts.items() if "why" in text)
    return Check(title, codes, partial(_run, title, texts, statement))


def _run(
    title: str, texts: Mapping[str, Mapping[str, Any]], statement: str, context: CheckContext
) -> Iterator[Finding]:
    parameters = _parameters(context)
    with reading(context.alias) as cursor:
        cursor.execute(statement, parameters)
        found = rows(cursor)
    [first, *_] = texts
    for row in found:
        code = row.get("code", first)
        text, values = texts[code], {**parameters, **row}
        if "skipped" in text:
            context.report_skipped(title, _format(text["skipped"], values))
        elif "insufficient_data" in text:
            context.report_insufficient_data(title, _format(text["insufficient_data"], values))
        else:
            yield _finding(code, text, values, row)


def _parameters(context: CheckContext) -> Row:
    """Return the parameters of all statements, which templates may contain, too."""
    return {
        "alias": context.alias,
        "databases": [config["NAME"] for config in connections.settings.values()],
        "is_embedded": context.is_embedded,
        "now": context.now,
        "since": context.since,
        "database": context.server_info["name"],
        "user": context.server_info["role"],
        "analysts": [role.name for role in roles_of(context.alias) if role.is_reader],
        "analyst_limit": statement_timeout_seconds() or None,
        "database_share": DATABASE_SHARE,
    }


def _finding(code: str, text: Mapping[str, Any], values: Row, row: Row) -> Finding:
    sentences = {
        name: _format(text.get(name, f"{{{name}}}"), values)
        for name in ("subject", "what", "why", "fix")
    }
    return Finding(
        code=code,
        severity=Severity[row.get("severity", "warning").upper()],
        **sentences,
        evidence={name: row[name] for name in text.get("evidence", ())},
        since=values["since"] if text.get("is_of_statistics") else None,
        is_of_server=row.get("is_of_server", text.get("is_of_server", False)),
    )


def _format(template: str, values: Row) -> str:
    return _Formatter().vformat(template, (), values)
