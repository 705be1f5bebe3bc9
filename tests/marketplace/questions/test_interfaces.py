"""Every question on every interface: in empty databases, and while its database is down."""

import csv
import io
import socket
from itertools import groupby

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache

from marketplace.api import tokens
from marketplace.exceptions import DatabaseUnavailableError
from marketplace.questions import ask
from marketplace.questions.definition import read_questions
from tests.commands import run
from tests.questions import analysts  # noqa: F401

pytestmark = [
    pytest.mark.django_db(databases="__all__", transaction=True),
    pytest.mark.usefixtures("analysts"),
]

QUESTIONS = read_questions()[0]

#: Database → names of its questions.
NAMES = {alias: list(names) for alias, names in groupby(QUESTIONS, lambda name: name.split(".")[0])}

#: Interface → its status or exit code if the database is down.
FAILURES = {"page": 503, "panel": 200, "csv": 503, "api": 503, "command": 1, "python": 1}


def _ask_in_python(name):
    try:
        return 0, len(list(ask(name))), ""
    except DatabaseUnavailableError as error:
        return 1, None, str(error)


@pytest.fixture
def ask_by(admin_client, tmp_path):
    """Return a function that asks a question.

    It returns the status or exit code, the number of rows or cells (None if there is no answer),
    and the text.
    """
    cache.clear()
    token, _ = tokens.issue(User.objects.get(), "tests", 1)
    headers = {"Authorization": f"Bearer {token}"}

    def get(name, **parameters):
        response = admin_client.get(f"/questions/{name.replace('.', '/')}/", parameters)
        content = b"".join(response) if response.streaming else response.content
        return response.status_code, content.decode()

    def page(name):
        status, text = get(name)
        return status, text.count("<td data-label"), text

    def panel(name):
        """Open all panels of the question. An error is shown in the panel, with the status 200."""
        texts = [get(name, panel=n)[1] for n, _ in enumerate(QUESTIONS[name].panels, 1)]
        shown = "".join(texts)
        assert shown.count("Nothing was loaded yet.") + shown.count('role="alert"') == len(texts)
        return 200, shown.count("<td data-label"), shown

    def export(name):
        status, text = get(name, format="csv")
        return status, len(list(csv.DictReader(io.StringIO(text)))), text

    def api(name):
        response = admin_client.get(f"/api/questions/{name.replace('.', '/')}", headers=headers)
        content = response.json()
        assert ("Retry-After" in response.headers) == (response.status_code == 503)
        assert content.get("question", name) == name
        return response.status_code, content.get("row_count"), content.get("error", "")

    def command(name):
        path = tmp_path / "answer.csv"
        done = run("ask", name, "--format", "csv", "--output", str(path))
        rows = len(path.read_text().splitlines()) - 1 if path.exists() else None
        path.unlink(missing_ok=True)
        return done.code, rows, done.err

    ways = (page, panel, export, api, command, _ask_in_python)
    ways = dict(zip(FAILURES, ways, strict=True))
    return lambda way, name: ways[way](name)


@pytest.fixture
def refused_port():
    """Return a port that refuses connections."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        yield server.getsockname()[1]


@pytest.mark.parametrize("way", FAILURES)
def test_an_empty_database_has_no_rows(ask_by, way):
    for name in QUESTIONS:
        status, rows, text = ask_by(way, name)

        assert (name, status, rows) == (name, 0 if way in ("command", "python") else 200, 0)
        assert 'role="alert"' not in text


@pytest.mark.parametrize("alias", NAMES)
def test_a_database_that_is_down_is_named_and_others_answer(
    ask_by, alias, set_port, refused_port, monkeypatch
):
    monkeypatch.setenv(f"{alias.upper()}_ANALYST_PASSWORD", "a-password-of-the-tests")
    set_port(alias, refused_port)

    for way, failure in FAILURES.items():
        for name in NAMES[alias]:
            if way == "panel" and not QUESTIONS[name].panels:
                continue
            status, rows, text = ask_by(way, name)
            assert (name, way, status) == (name, way, failure)
            assert not rows or way == "csv"
            assert f"The database {alias} is unreachable: " in text
            assert "Start the server, or correct DB_HOST" in text
        for other in NAMES.keys() - {alias}:
            status, rows, _ = ask_by(way, NAMES[other][0])
            assert (way, status, rows) == (way, 0 if way in ("command", "python") else 200, 0)


def test_a_server_that_does_not_answer_is_named(ask_by, set_port, mute_port, monkeypatch):
    monkeypatch.setenv("ECOMMERCE_ANALYST_PASSWORD", "a-password-of-the-tests")
    set_port("ecommerce", mute_port)

    status, _, text = ask_by("api", "ecommerce.price_drops")

    assert status == 503
    assert "The database ecommerce is unreachable: " in text
    assert "timeout expired" in text
