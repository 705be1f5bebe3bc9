"""Read `.sql` files: those in the folder `sql/` of a package, and files that begin with a head."""

import re
from functools import cache
from pathlib import Path

_HEAD = re.compile(r"\s*/\*\n(.*?)\*/\s*(.*)", re.DOTALL)


@cache
def read_sql(package_file: str, name: str) -> str:
    """Return the text of `sql/<name>.sql` in the folder of a module.

    :param package_file: the module's `__file__`
    """
    return (Path(package_file).parent / "sql" / f"{name}.sql").read_text()


def split_head(text: str) -> tuple[str, str] | None:
    """Return the first comment of a file, which is its head, and the statement after it.

    :return: None if the file does not begin with a comment that starts in a line of its own
    """
    match = _HEAD.fullmatch(text)
    return (match[1], match[2]) if match else None
