"""Checks that are SQL files."""

import string

import pytest
from django.utils import timezone

from marketplace.doctor import sql_checks
from marketplace.doctor.checks import CheckContext
from marketplace.doctor.diagnosis import CHECKS
from marketplace.doctor.session import read, reading

FILES = [check for check in CHECKS if getattr(check.run, "func", None) is sql_checks._run]


@pytest.mark.parametrize("check", FILES, ids=lambda check: check.title)
def test_templates_name_columns_of_their_statement(check):
    _, texts, statement = check.run.args
    info = read("ecommerce", "server_info")[0]
    parameters = sql_checks._parameters(CheckContext("ecommerce", timezone.now(), info))

    with reading("ecommerce") as cursor:
        cursor.execute(statement, parameters)
        columns = {column.name for column in cursor.description}

    for text in texts.values():
        templates = [value for value in text.values() if isinstance(value, str)]
        if "why" in text:
            templates += [f"{{{name}}}" for name in ("subject", "what", "fix") if name not in text]
        fields = {name for value in templates for _, name, _, _ in string.Formatter().parse(value)}
        names = {name.partition("[")[0] for name in fields if name}
        assert names <= columns | parameters.keys()
        assert set(text.get("evidence", ())) <= columns
    assert len(texts) == 1 or "code" in columns
