"""A check, and the context in which it runs against one database."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connections

from marketplace.doctor.findings import Finding, Sizes
from marketplace.doctor.session import Row, read

#: Days that statistics must cover before an index is reported as unused.
ENOUGH_DAYS = 30


@dataclass
class CheckContext:
    """The database that checks run against, and their results other than findings.

    :param now: the current time for all checks
    :param server_info: the row of `sql/server_info.sql`
    :param insufficient_data: what cannot be judged yet, and why, as sentences
    :param skipped: what could not be checked, and why, as sentences
    """

    alias: str
    now: datetime
    server_info: Row
    insufficient_data: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    sizes: Sizes | None = None

    def read(self, name: str, **parameters: Any) -> list[Row]:
        """Return the rows of `sql/<name>.sql`."""
        return read(self.alias, name, {"now": self.now, **parameters})

    @property
    def since(self) -> datetime | None:
        """The start of the database's cumulative statistics; None if the server does not know."""
        since: datetime | None = self.server_info["since"]
        return since

    @property
    def days(self) -> float:
        """The number of days that the cumulative statistics cover."""
        if self.since is None:
            return 0.0
        return (self.now - self.since) / timedelta(days=1)

    @property
    def version(self) -> int:
        """The major version of the server."""
        return int(self.server_info["version_number"]) // 10000

    @property
    def is_embedded(self) -> bool:
        """Whether the server is the embedded one."""
        return not connections[self.alias].settings_dict["HOST"]

    def report_insufficient_data(self, subject: str, reason: str) -> None:
        """Report that the subject cannot be judged yet."""
        self.insufficient_data.append(f"{subject}: insufficient data: {reason}")

    def report_skipped(self, subject: str, reason: str) -> None:
        """Report that the subject could not be checked."""
        text = f"{subject}: {reason}"
        if text not in self.skipped:
            self.skipped.append(text)


class Check(NamedTuple):
    """A check of one database.

    :param title: the subject of the check, as db_doctor prints it
    :param codes: the codes of the findings that it may yield
    """

    title: str
    codes: tuple[str, ...]
    run: Callable[[CheckContext], Iterable[Finding]]
