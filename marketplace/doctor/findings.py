"""The results of the checks: findings, sizes and the diagnosis of a database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any


class Severity(IntEnum):
    """How soon to act: CRITICAL now, WARNING within days, INFO at leisure."""

    INFO = 0
    WARNING = 1
    CRITICAL = 2

    @property
    def label(self) -> str:
        """The name in lower case."""
        return self.name.lower()


@dataclass(frozen=True)
class Finding:
    """A defect, or a development that leads to one."""

    #: A stable identifier, to which programs refer.
    code: str
    severity: Severity
    #: The table, index, setting, session … that the finding is about.
    subject: str
    #: The observation with its numbers, in one sentence.
    what: str
    #: The consequence, in one sentence.
    why: str
    #: The SQL or command to run; empty if no single one fits every case.
    fix: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    #: The start of the statistics it is based on; None if it describes the current state.
    since: datetime | None = None
    #: Whether it concerns all databases of the server.
    is_of_server: bool = False


@dataclass(frozen=True)
class Growth:
    """The size of a database, table or index in bytes, and its growth.

    :param per_day: bytes per day; None if the size history is too short
    """

    name: str
    kind: str
    size: int
    per_day: float | None = None


@dataclass(frozen=True)
class Sizes:
    """The sizes of a database, and the disk space of its server.

    :param disk_free: bytes; None if unknown
    :param days_to_full: None if the size history is too short, or if usage does not grow
    :param note: the reason why a value is unknown; empty if all are known
    """

    database: Growth
    largest: tuple[Growth, ...] = ()
    disk_free: int | None = None
    disk_total: int | None = None
    days_to_full: float | None = None
    note: str = ""


@dataclass
class Diagnosis:
    """The results of all checks of a database."""

    alias: str
    name: str
    #: Identifies the server; empty if it could not be reached.
    server: str = ""
    version: str = ""
    since: datetime | None = None
    findings: list[Finding] = field(default_factory=list)
    #: The titles of the completed checks.
    examined: list[str] = field(default_factory=list)
    #: Checks that have insufficient data, and why.
    insufficient_data: list[str] = field(default_factory=list)
    #: Checks that were skipped, and why.
    skipped: list[str] = field(default_factory=list)
    sizes: Sizes | None = None

    @property
    def severity(self) -> Severity | None:
        """The highest severity of the findings; None without findings."""
        return max((finding.severity for finding in self.findings), default=None)
