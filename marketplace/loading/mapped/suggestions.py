"""The mappings that fit a table whose columns no shape of its platform recognizes."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings

from marketplace.exceptions import SourceError
from marketplace.loading.adapters import Adapter, get_adapter
from marketplace.loading.formats.delimited import Row
from marketplace.loading.mapped import mapping
from marketplace.registry import PLATFORMS, get_platform


def check_row(adapter: Adapter, document: Any, name: str, path: str = "") -> None:
    """Refuse a table whose columns the platform does not recognize.

    :param document: a document; it is accepted if it is not a row of a table
    :param name: the name of the file, for the message
    :param path: the path of the file, for the command line; `name` if it is empty
    :raises SourceError: with the mappings that fit, and the command line to use
    """
    if not isinstance(document, Row) or adapter.recognize(document) is not None:
        return
    columns, platform = list(document), adapter.platform
    text = (
        f"{name} is a table, and {platform} has no shape with its columns "
        f"({', '.join(columns)[:300]})."
    )
    fitting = list(_fitting(get_platform(platform).database, set(columns)))
    paths = [path for owner, path in fitting if owner in ("", platform)]
    if paths:
        others = f" Other shipped mappings that fit: {', '.join(paths[1:])}." if paths[1:] else ""
        raise SourceError(
            f"{text} A shipped mapping fits: {_command(platform, path or name, paths[0])}{others}"
        )
    foreign = [*_owners(document), *(owner for owner, _ in fitting)]
    if foreign:
        raise SourceError(
            f"{text} It looks like a table of {foreign[0]}: load it with this platform."
        )
    raise SourceError(
        f"{text} No shipped mapping fits. Write one, as docs/tables.md describes, "
        f"and run: {_command(platform, path or name, 'MAP.toml')}"
    )


def _owners(row: Row) -> Iterator[str]:
    """Yield the platforms that recognize the columns of a table."""
    for platform in PLATFORMS:
        if get_adapter(platform.name).recognize(row) is not None:
            yield platform.name


def _command(platform: str, path: str, columns: str) -> str:
    quoted = f'"{path}"' if " " in path else path
    return f"python manage.py ingest {platform} {quoted} --columns {columns}"


def _fitting(database: str, columns: set[str]) -> Iterator[tuple[str, str]]:
    """Yield the shipped mappings that fit a table, those with the most columns first.

    :returns: (platform of the mapping, its path)
    """
    candidates = []
    for path in sorted((settings.BASE_DIR / database / "columns").glob("*.toml")):
        loaded = mapping.load(str(path), database)
        required = [names for _, names in loaded.columns()]
        # A table without a header has no names to compare.
        if loaded.layout.header and all(columns.intersection(names) for names in required):
            relative = str(path.relative_to(settings.BASE_DIR))
            candidates.append((-len(required), loaded.platform, relative))
    yield from ((platform, path) for _, platform, path in sorted(candidates))
