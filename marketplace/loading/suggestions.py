"""What to do with a table that no shape of its platform recognizes: load it by a mapping."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings

from marketplace.exceptions import SourceError
from marketplace.loading import mapping
from marketplace.loading.adapters import Adapter
from marketplace.loading.delimited import Row
from marketplace.registry import get_platform


def check_row(adapter: Adapter, document: Any, name: str) -> None:
    """Refuse the table that a document is a row of, unless the platform recognizes its columns.

    :param document: as it was read; what is not a row of a table is let pass
    :param name: of the file, for the message
    :raises SourceError: naming the mappings that fit, and the command line to use
    """
    if not isinstance(document, Row) or adapter.recognize(document) is not None:
        return
    columns = list(document)
    fitting = list(_fitting(adapter.platform, set(columns)))
    text = (
        f"{name} is a table, and {adapter.platform} has no shape with its columns "
        f"({', '.join(columns)[:300]})."
    )
    if not fitting:
        raise SourceError(
            f"{text} No shipped mapping fits. Write one, as README says under Tables of any "
            f"source, and run: {_command(adapter.platform, name, 'MAP.toml')}"
        )
    others = f" These fit, too: {', '.join(fitting[1:])}." if fitting[1:] else ""
    raise SourceError(
        f"{text} A shipped mapping fits: {_command(adapter.platform, name, fitting[0])}{others}"
    )


def _command(platform: str, name: str, columns: str) -> str:
    path = f'"{name}"' if " " in name else name
    return f"python manage.py ingest {platform} {path} --columns {columns}"


def _fitting(platform: str, columns: set[str]) -> Iterator[str]:
    """Yield the shipped mappings whose columns a table has, that which reads the most first."""
    database = get_platform(platform).database
    found = []
    for path in sorted((settings.BASE_DIR / database / "columns").glob("*.toml")):
        each = mapping.load(str(path), database)
        wanted = [names for _, names in each.columns()]
        # Tables without a header have no names to compare.
        if each.layout.header and all(columns.intersection(names) for names in wanted):
            found.append((-len(wanted), str(path.relative_to(settings.BASE_DIR))))
    yield from (name for _, name in sorted(found))
