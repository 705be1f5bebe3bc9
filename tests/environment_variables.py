"""The environment variables that the code, docker compose and .env.example mention."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from django.conf import settings

from marketplace.registry import ALIASES

ROOT = Path(settings.BASE_DIR)

#: Packages and modules whose code reads variables.
CODE = ("manage.py", "marketplace", *ALIASES)

#: Methods of environ.Env whose first argument is not the name of a variable.
NOT_READING = {"read_env", "db_url_config", "cache_url_config", "email_url_config"}

#: Pattern of the names of secrets.
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|DATABASE_URL|AUTH")

SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
EXAMPLE = (ROOT / ".env.example").read_text()


def documented() -> dict[str, str]:
    """Return the variables of .env.example and their values."""
    return dict(re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE, re.MULTILINE))


def read_by_compose() -> set[str]:
    """Return the variables that docker-compose.yml takes from the environment or .env."""
    passed_on = {
        name
        for service in SERVICES.values()
        for name, value in service.get("environment", {}).items()
        if value is None
    }
    text = (ROOT / "docker-compose.yml").read_text()
    return passed_on | set(re.findall(r"(?<!\$)\$\{([A-Z0-9_]+)", text))


def read_by_settings() -> set[str]:
    """Return the variables that the settings read."""
    folder = ROOT / "marketplace"
    paths = [folder / "settings.py", *(folder / "configuration").glob("*.py")]
    return {name for path in paths for name in variables(path.read_text())}


def read_by_code() -> set[str]:
    """Return the variables that any code of the project reads."""
    paths = [path for name in CODE for path in (ROOT / name, *(ROOT / name).rglob("*.py"))]
    return {name for path in paths if path.suffix == ".py" for name in variables(path.read_text())}


def variables(source: str) -> Iterator[str]:
    """Yield the variables that the code reads through `env` or `os.environ`."""
    for node in ast.walk(ast.parse(source)):
        name = None
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
            name = node.slice
        elif isinstance(node, ast.Call) and reads_variable(ast.unparse(node.func)):
            name = node.args[0]
        if name is not None:
            yield from names(name)


def reads_variable(function: str) -> bool:
    if function in ("os.environ.get", "os.getenv", "env"):
        return True
    owner, _, method = function.rpartition(".")
    return owner == "env" and method not in NOT_READING


def names(node: ast.expr) -> list[str]:
    """Return the names that an expression stands for: one, or one per database."""
    match node:
        case ast.Constant(value=str(name)):
            return [name]
        case ast.JoinedStr(
            values=[ast.FormattedValue(value=call), ast.Constant(value=str(suffix))]
        ):
            if ast.unparse(call) in ("variable_prefix(alias)", "prefix"):
                return [alias.upper() + suffix for alias in ("marketplace", *ALIASES)]
            if ast.unparse(call) == "alias.upper()":
                return [alias.upper() + suffix for alias in ALIASES]
    raise AssertionError(f"The variables of {ast.unparse(node)} cannot be determined.")
