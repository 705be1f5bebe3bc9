"""What an examination says of a database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any


class Severity(IntEnum):
    """How soon somebody must look: now, this week, at leisure."""

    INFO = 0
    WARNING = 1
    CRITICAL = 2

    @property
    def label(self) -> str:
        """The word for it."""
        return self.name.lower()


@dataclass(frozen=True)
class Finding:
    """A defect, or what will become one."""

    #: Stable: programs and people refer to it.
    code: str
    severity: Severity
    #: The table, index, setting, session … at fault.
    subject: str
    #: What is so, with numbers, in one sentence.
    what: str
    #: Why it matters, in one sentence.
    why: str
    #: SQL, or a command, to run; empty where there is none that fits every case.
    fix: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    #: Since when the statistics count; None where it is the state of now.
    since: datetime | None = None
    #: Whether it concerns all databases of the server.
    is_of_server: bool = False


@dataclass(frozen=True)
class Growth:
    """The size of something, and how it changes.

    :param per_day: bytes; None without enough history
    """

    name: str
    kind: str
    size: int
    per_day: float | None = None


@dataclass(frozen=True)
class Sizes:
    """The sizes of a database, and the room on its server's disk.

    :param disk_free: bytes; None where it cannot be known from here
    :param days_to_full: None without enough history, or where the disk does not fill
    :param note: why something of it is unknown
    """

    database: Growth
    largest: tuple[Growth, ...] = ()
    disk_free: int | None = None
    disk_total: int | None = None
    days_to_full: float | None = None
    note: str = ""


@dataclass
class Diagnosis:
    """All that is known of a database after its examination."""

    alias: str
    name: str
    #: Identifies the server; empty if it could not be reached.
    server: str = ""
    version: str = ""
    since: datetime | None = None
    findings: list[Finding] = field(default_factory=list)
    #: Titles of what was examined to the end.
    examined: list[str] = field(default_factory=list)
    #: What cannot be judged yet, and why.
    doubts: list[str] = field(default_factory=list)
    #: What could not be seen, and why.
    unseen: list[str] = field(default_factory=list)
    sizes: Sizes | None = None

    @property
    def severity(self) -> Severity | None:
        """The worst of the findings' severities; None without any."""
        return max((finding.severity for finding in self.findings), default=None)
