"""The `.sql` files of an app: one statement or a few a file, under `<app>/sql/`."""

from functools import cache
from pathlib import Path


@cache
def read_sql(package_file: str, name: str) -> str:
    """Return the text of `sql/<name>.sql` beside a module.

    :param package_file: the module's `__file__`
    """
    return (Path(package_file).parent / "sql" / f"{name}.sql").read_text()
