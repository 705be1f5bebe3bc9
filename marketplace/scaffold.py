"""The files of a new platform: adapter, sample payload, test, and its line in the registry."""

import re
from pathlib import Path
from string import Template

from django.conf import settings

from marketplace.exceptions import MarketplaceError
from marketplace.registry import ALIASES, PLATFORMS

REGISTRY = "marketplace/registry.py"

_NAME = re.compile(r"[a-z][a-z0-9]{1,30}")
_END_OF_PLATFORMS = re.compile(r"(?ms)^(PLATFORMS = \(\n.*?)^\)$")


def plan(name: str, database: str, title: str) -> dict[str, str]:
    """Return the files to write: path relative to the project → content.

    :param name: the name of the platform in commands and tables
    :param database: the alias of its database
    :param title: the display name of the platform
    :raises MarketplaceError: if a name is invalid, or a file exists
    """
    _check(name, database)
    root = Path(settings.BASE_DIR)
    words = {"name": name, "SHAPE": f"{name.upper()}-LIST", "title": title}
    folder = root / database / "platforms" / "template"
    targets = {
        "adapter.py.tpl": f"{database}/platforms/{name}.py",
        "sample.json.tpl": f"{database}/platforms/samples/{name}.json",
        "test.py.tpl": f"tests/{database}/test_{name}.py",
    }
    for path in targets.values():
        if (root / path).exists():
            raise MarketplaceError(f"{path} exists. Remove it, or choose another name.")
    files = {
        path: Template((folder / template).read_text()).substitute(words)
        for template, path in targets.items()
    }
    line = f'    Platform("{name}", "{database}", {_quoted(title)}),\n'
    registry = (root / REGISTRY).read_text()
    return files | {REGISTRY: _END_OF_PLATFORMS.sub(lambda match: f"{match[1]}{line})", registry)}


def write(files: dict[str, str]) -> None:
    """Write the files, the registry last, so that a registered platform has an adapter."""
    for path, content in files.items():
        (Path(settings.BASE_DIR) / path).write_text(content)


def _check(name: str, database: str) -> None:
    if database not in ALIASES:
        raise MarketplaceError(
            f"The database {database} does not exist. Choose from {', '.join(ALIASES)}."
        )
    if not _NAME.fullmatch(name):
        raise MarketplaceError(
            f"{name} cannot be the name of a platform: use 2 to 31 lower-case Latin letters and "
            "digits, a letter first."
        )
    if name in {platform.name for platform in PLATFORMS}:
        raise MarketplaceError(f"The platform {name} is registered already, in {REGISTRY}.")


def _quoted(title: str) -> str:
    """Return a text as a Python literal, with the quotation marks that ruff prefers."""
    mark = "'" if title.count('"') > title.count("'") else '"'
    escaped = title.replace("\\", "\\\\").replace(mark, f"\\{mark}")
    return f"{mark}{escaped}{mark}"
