"""Read the `.sql` files of a package, in its folder `sql/`."""

from functools import cache
from pathlib import Path


@cache
def read_sql(package_file: str, name: str) -> str:
    """Return the text of `sql/<name>.sql` in the folder of a module.

    :param package_file: the module's `__file__`
    """
    return (Path(package_file).parent / "sql" / f"{name}.sql").read_text()
