"""`.env.example` documents the variables that the code and docker compose read."""

import re

import pytest

from marketplace.registry import ALIASES
from tests.environment_variables import (
    EXAMPLE,
    ROOT,
    SECRET,
    documented,
    read_by_code,
    read_by_compose,
    variables,
)


class TestVariables:
    def test_finds_all_ways_of_reading(self):
        source = (
            'env("A"); env.int("B", default=1); env.str(f"{variable_prefix(alias)}_C")\n'
            'f"{env.str(\'D\')}"; os.environ["E"]; os.environ.get("F"); os.getenv("G")\n'
            'env.read_env("H"); os.environ.setdefault("I", ""); settings.get("J")\n'
        )

        names = set(variables(source))

        per_database = {"MARKETPLACE_C", *(f"{alias.upper()}_C" for alias in ALIASES)}
        assert names == {"A", "B", "D", "E", "F", "G"} | per_database

    def test_rejects_a_computed_name(self):
        with pytest.raises(AssertionError, match="cannot be determined"):
            list(variables("env.bool(name)"))


class TestEnvExample:
    def test_documents_all_variables_that_are_read(self):
        missing = (read_by_code() | read_by_compose()) - documented().keys()

        assert missing == set()

    def test_documents_no_unused_variables(self):
        unknown = documented().keys() - read_by_code() - read_by_compose()

        assert unknown == set()

    def test_documents_each_variable_once(self):
        names = re.findall(r"^#?([A-Z][A-Z0-9_]*)=", EXAMPLE, re.MULTILINE)

        assert sorted(names) == sorted(set(names))

    def test_contains_no_secret(self):
        secrets = {name: value for name, value in documented().items() if SECRET.search(name)}

        assert {"DB_PASSWORD", "SECRET_KEY", "REDIS_PASSWORD"} <= secrets.keys()
        assert set(secrets.values()) == {""}

    def test_a_plain_copy_sets_nothing(self):
        active = dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", EXAMPLE, re.MULTILINE))

        assert active == {"DB_PASSWORD": "", "SECRET_KEY": ""}

    def test_shows_the_defaults_of_compose(self):
        text = (ROOT / "docker-compose.yml").read_text()
        defaults = dict(re.findall(r"\$\{([A-Z0-9_]+):-([^}]*)\}", text))
        # Its value starts with the host of the health check.
        defaults.pop("ALLOWED_HOSTS")

        assert {name: documented()[name] for name in defaults} == defaults
