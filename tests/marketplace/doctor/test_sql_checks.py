"""Checks that are SQL files."""

import string

import pytest
from django.utils import timezone

from marketplace.doctor import sql_checks
from marketplace.doctor.checks import CheckContext
from marketplace.doctor.diagnosis import CHECKS
from marketplace.doctor.findings import Severity
from marketplace.doctor.session import read, reading
from marketplace.postgresql.sql_files import read_sql

FILES = [check for check in CHECKS if getattr(check.run, "func", None) is sql_checks._run]


@pytest.fixture
def context():
    return CheckContext("ecommerce", timezone.now(), read("ecommerce", "server_info")[0])


@pytest.mark.parametrize("check", FILES, ids=lambda check: check.title)
def test_templates_name_columns_of_their_statement(check, context):
    _, texts, statement = check.run.args
    parameters = sql_checks._parameters(context)

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


def test_old_transaction_ids(context):
    [check] = [check for check in FILES if "transaction-ids-exhausted" in check.codes]
    title, texts, statement = check.run.args
    old = """
        SELECT 'old_db' AS name, TRUE AS is_current,
            5e8::bigint AS transaction_age, 2e8::bigint AS transaction_limit,
            15e8::bigint AS multixact_age, 4e8::bigint AS multixact_limit
    """
    statement = statement.replace(read_sql(sql_checks.__file__, "ages"), old)

    findings = list(sql_checks._run(title, texts, statement, context))

    assert [(finding.code, finding.severity) for finding in findings] == [
        ("transaction-ids-exhausted", Severity.WARNING),
        ("multixact-ids-exhausted", Severity.CRITICAL),
    ]
    assert findings[0].what == (
        "23% of all transaction ids are in use: the oldest is 500,000,000 old."
    )
