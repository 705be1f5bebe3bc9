"""The examination of one database: what a check is given, and what it may say."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connections

from marketplace.doctor.findings import Finding, Sizes
from marketplace.doctor.session import Row, read

#: Days that statistics must count before anything is said of what nobody used.
ENOUGH_DAYS = 30


@dataclass
class Examination:
    """A database under examination.

    :param now: when; the clock of all checks
    :param facts: of the server: see `sql/facts.sql`
    """

    alias: str
    now: datetime
    facts: Row
    doubts: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    sizes: Sizes | None = None

    def read(self, name: str, **parameters: Any) -> list[Row]:
        """Return the rows of `sql/<name>.sql`."""
        return read(self.alias, name, {"now": self.now, **parameters})

    @property
    def since(self) -> datetime | None:
        """Since when the database's statistics count; None if the server does not tell."""
        since: datetime | None = self.facts["since"]
        return since

    @property
    def days(self) -> float:
        """For how many days they have counted."""
        if self.since is None:
            return 0.0
        return (self.now - self.since) / timedelta(days=1)

    @property
    def version(self) -> int:
        """The server's major version."""
        return int(self.facts["version_number"]) // 10000

    @property
    def is_embedded(self) -> bool:
        """Whether the server is the embedded one."""
        return not connections[self.alias].settings_dict["HOST"]

    def doubt(self, what: str, reason: str) -> None:
        """Say that something cannot be judged yet."""
        self.doubts.append(f"{what}: not enough evidence, {reason}")

    def lack(self, what: str, reason: str) -> None:
        """Say that something could not be seen."""
        self.unseen.append(f"{what}: {reason}")


class Check(NamedTuple):
    """One thing to look at.

    :param title: what, in words
    :param codes: of the findings that it may yield
    """

    title: str
    codes: tuple[str, ...]
    run: Callable[[Examination], Iterable[Finding]]
