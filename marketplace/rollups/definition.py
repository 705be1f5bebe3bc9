"""Rollup files: a head in TOML within the first SQL comment, then one SELECT without parameters."""

import tomllib
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from django.apps import apps

from marketplace.exceptions import RollupError
from marketplace.postgresql.sql_files import split_head

_KEYS = {"description", "indexes"}


@dataclass(frozen=True)
class Rollup:
    """A rollup of a database.

    :param description: what a row of it is
    :param indexes: the columns of each index of its table
    :param sql: the SELECT
    """

    alias: str
    path: Path
    description: str
    indexes: tuple[tuple[str, ...], ...]
    sql: str

    @property
    def name(self) -> str:
        """The name of its file."""
        return self.path.stem

    @property
    def address(self) -> str:
        """Its database and name, such as "ecommerce.price_drops"."""
        return f"{self.alias}.{self.name}"

    @property
    def table(self) -> str:
        """The name of its table."""
        return table_prefix(self.alias) + self.name

    @property
    def digest(self) -> str:
        """The SHA-256 of what its table is created from."""
        return sha256(f"{self.indexes}{self.sql}".encode()).hexdigest()


def table_prefix(alias: str) -> str:
    """Return how the names of the tables of a database's rollups begin."""
    return f"{alias}_rollup_"


def find_files(alias: str) -> list[Path]:
    """Return the rollup files of a database."""
    return sorted((Path(apps.get_app_config(alias).path) / "rollups").glob("*.sql"))


@cache
def read_rollups(alias: str) -> tuple[dict[str, Rollup], list[RollupError]]:
    """Return the valid rollups of a database by name, and the errors of the other files."""
    rollups: dict[str, Rollup] = {}
    errors: list[RollupError] = []
    for path in find_files(alias):
        try:
            rollups[path.stem] = _read(alias, path)
        except RollupError as error:
            errors.append(error)
    return rollups, errors


def rollups_of(alias: str) -> dict[str, Rollup]:
    """Return the valid rollups of a database by name."""
    return read_rollups(alias)[0]


def _read(alias: str, path: Path) -> Rollup:
    parts = split_head(path.read_text())
    if parts is None:
        raise RollupError(f"{path}: The file does not begin with /* and a head, ended by */.")
    try:
        head = tomllib.loads(parts[0])
    except tomllib.TOMLDecodeError as error:
        raise RollupError(f"{path}: The head is not valid TOML: {error}.") from None
    if set(head) - _KEYS or not isinstance(head.get("description"), str):
        raise RollupError(f"{path}: The head must have a description, and may have indexes.")
    indexes = head.get("indexes", [])
    if not isinstance(indexes, list) or not all(_is_names(index) for index in indexes):
        raise RollupError(f'{path}: indexes must be lists of columns, such as [["offer_id"]].')
    return Rollup(
        alias=alias,
        path=path,
        description=head["description"],
        indexes=tuple(map(tuple, indexes)),
        sql=parts[1].rstrip().rstrip(";"),
    )


def _is_names(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(n, str) for n in value)
