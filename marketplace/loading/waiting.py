"""What waits for the decision of a person, and what each kind of it must offer.

`review` has the kinds of every database: runs and quarantined records. A row is named by its
platform and number, as in uzum-17, because each database has its own numbers.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

from django.db.models import QuerySet

from marketplace.exceptions import SourceError
from marketplace.humanize import counted
from marketplace.loading.values import quote
from marketplace.registry import ALIASES, PLATFORMS, get_platform

#: A row or an entry as the JSON output of `ingest_review`.
Json = dict[str, Any]


class Address(NamedTuple):
    """The address of a row.

    :param platform: empty if the address has only the database
    """

    alias: str
    platform: str
    pk: int

    def __str__(self) -> str:
        return f"{self.platform or self.alias}-{self.pk}"


def parse_address(name: str) -> Address:
    """Return the address of a name such as "uzum-17", or "ecommerce-17" for outliers.

    :raises SourceError: if it is not a valid address
    """
    prefix, _, number = name.rpartition("-")
    if number.isascii() and number.isdecimal():
        if prefix in {platform.name for platform in PLATFORMS}:
            return Address(get_platform(prefix).database, prefix, int(number))
        if prefix in ALIASES:
            return Address(prefix, "", int(number))
    names = ", ".join(platform.name for platform in PLATFORMS)
    raise SourceError(
        f"{quote(name)} is not a valid address. Write PLATFORM-NUMBER, as in uzum-17. Platforms: "
        f"{names}."
    )


class Entry(NamedTuple):
    """An entry of the list: a run, an outlier, or quarantined records with the same reason.

    :param ids: addresses of its rows, the newest first; of many records, only the newest ones
    :param records: number of its records
    :param source: source of its newest row
    :param values: the entry as JSON
    """

    ids: list[str]
    records: int
    source: str
    since: datetime
    reasons: list[str]
    values: Json


class Section(NamedTuple):
    """The entries of one kind and status.

    :param total: number of rows
    :param more: number of rows that are not in the entries
    """

    kind: str
    title: str
    total: int
    entries: list[Entry]
    more: int = 0


@dataclass(frozen=True)
class Selection:
    """Rows of one kind in one database. An action on them succeeds or fails as a whole.

    :param platform: select rows of this platform; empty for all platforms
    :param pks: select these rows; empty for all
    :param reason: select records whose reason, as it is listed, contains this text
    :param is_exact: whether the reason must be this text
    """

    kind: str
    alias: str
    platform: str = ""
    pks: tuple[int, ...] = ()
    reason: str = ""
    is_exact: bool = False

    @property
    def address(self) -> Address:
        """The address of the first row."""
        return Address(self.alias, self.platform, self.pks[0])


class Result(NamedTuple):
    """The result of an action.

    :param text: a sentence about what was done
    :param problems: reasons of failures, and the next step
    """

    text: str
    problems: list[str]
    is_failed: bool = False


class Kind(ABC):
    """One kind of rows that wait in a database."""

    #: Name in the addresses of `ingest_review`, and of the model, by which permissions are named.
    name: ClassVar[str]
    model_name: ClassVar[str]
    #: Action → its consequences. It is the name of a method that takes a selection.
    actions: ClassVar[dict[str, str]]

    def __init__(self, alias: str) -> None:
        self.alias = alias

    @abstractmethod
    def rows(self) -> QuerySet[Any]:
        """Return the rows that can be shown."""

    def waiting(self) -> QuerySet[Any]:
        """Return the rows that are pending review: all of them, unless a kind overrides this."""
        return self.rows()

    @abstractmethod
    def sections(self, platform: str, show_all: bool) -> Iterator[Section]:
        """Yield the lists of rows that are pending review.

        :param platform: list the rows of this platform; of all platforms if empty
        :param show_all: whether to list all entries, with all ids
        """

    @abstractmethod
    def describe(self, row: Any) -> Json:
        """Return a row as JSON."""

    @abstractmethod
    def count(self, selection: Selection) -> int:
        """Return the number of records of the rows.

        :raises SourceError: if a row does not exist or is not pending review
        """

    @abstractmethod
    def release(self, selection: Selection) -> Result:
        """Load the rows, or accept them.

        :raises MarketplaceError: if that is not possible
        """

    @abstractmethod
    def discard(self, selection: Selection) -> Result:
        """Delete what is not loaded of the rows.

        :raises MarketplaceError: if that is not possible
        """

    @abstractmethod
    def reason(self, row: Any) -> str:
        """Return why a row waits; it may have several lines."""

    def candidates(self, action: str) -> QuerySet[Any]:
        """Return the rows to which an action can be applied."""
        return self.waiting()

    def address(self, row: Any) -> Address:
        """Return the address of a row."""
        return Address(self.alias, row.platform, row.pk)

    def alike(self, row: Any) -> Selection:
        """Return the rows that are listed together with a row."""
        return Selection(self.name, self.alias, self.address(row).platform, (row.pk,))

    def select(self, selection: Selection) -> QuerySet[Any]:
        """Return the rows of a selection."""
        return self.rows().filter(pk__in=selection.pks)

    def find(self, rows: QuerySet[Any], address: Address) -> QuerySet[Any]:
        """Return the row with an address."""
        return rows.filter(pk=address.pk, platform=address.platform)

    def get(self, address: Address) -> Any:
        """Return the row with an address.

        :raises SourceError: if it does not exist
        """
        row = self.find(self.rows(), address).first()
        if row is None:
            raise SourceError(f"The {self.name} {address} does not exist. See: ingest_review list.")
        return row

    def subject(self, selection: Selection) -> str:
        """Return the name of the rows in messages and as the confirmation: uzum-17."""
        return str(selection.address)

    def label(self, selection: Selection) -> str:
        """Return the number and name of the rows: 2 records of run uzum-17.

        :raises SourceError: if a row does not exist or is not pending review
        """
        records = counted(self.count(selection), "record")
        return f"{records} of {self.name} {self.subject(selection)}"

    def act(self, action: str, selection: Selection) -> Result:
        """Release, discard or restore rows: see the methods of these names."""
        method: Callable[[Selection], Result] = getattr(self, action)
        return method(selection)


def split_samples(row: Json) -> tuple[Json, list[tuple[str, Any]]]:
    """Return the values of a row's JSON, and the records in it: title and payload."""
    values, samples = dict(row), list[tuple[str, Any]]()
    for line in values.pop("first", ()):
        place = f"{line.get('source', '')}: {line['place']}"
        payload = line["payload"] if "payload" in line else line["raw"]
        samples.append((f"held {place} ({line.get('shape') or line['reason']})", payload))
    for line in values.pop("received", ()):
        samples.append((f"received {line['place']}", line["raw"]))
    if "payload" in values:
        samples.append(("payload", values.pop("payload")))
    return values, samples
