"""Helpers of the tests that look for defects."""

import time

import psycopg2
import pytest

from marketplace.doctor.diagnosis import diagnose
from marketplace.registry import ALIASES

from .conftest import LATER


def findings_of(code, now=LATER):
    """Return alias → findings with a code."""
    return {diagnosis.alias: diagnosis.findings for diagnosis in diagnose(ALIASES, now, [code])}


def findings_while(code, execute, statement, undo):
    """Return alias → findings with a code after a statement, which is undone afterwards."""
    execute(statement)
    try:
        return findings_of(code)
    finally:
        execute(undo)


def is_only(alias, findings):
    """Return whether this database has findings and the others have none."""
    return [name for name in findings if findings[name]] == [alias]


def run_until_canceled(opened, query):
    with pytest.raises(psycopg2.errors.QueryCanceled):
        opened.cursor().execute(query)


def wait_for_session(execute, alias, condition):
    wait_until(execute, f"SELECT FROM pg_stat_activity WHERE {condition}", alias)


def wait_for_setting(execute, name, value):
    wait_until(execute, f"SELECT WHERE current_setting('{name}') = '{value}'")


def wait_until(execute, query, alias="ecommerce"):
    deadline = time.monotonic() + 30
    raising = f"DO $$ BEGIN IF NOT EXISTS ({query}) THEN RAISE division_by_zero; END IF; END $$"
    while True:
        try:
            return execute(alias, raising)
        except psycopg2.errors.DivisionByZero:
            assert time.monotonic() < deadline
            time.sleep(0.05)
