"""The arguments of `ingest_review`: which rows an action is applied to."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandParser

from marketplace.exceptions import SourceError
from marketplace.loading.addresses import Address, find_kind, parse_address
from marketplace.loading.review import Selection
from marketplace.registry import ALIASES, PLATFORMS, get_platform

#: The kinds of rows that each action accepts. "records" are selected by --reason or --platform.
KINDS = {
    "show": ("run", "record", "outlier"),
    "release": ("run", "record", "records", "outlier"),
    "discard": ("run", "record", "records", "outlier"),
    "restore": ("outlier",),
}

PLATFORM_NAMES = [platform.name for platform in PLATFORMS]

Options = dict[str, Any]


def add_words(parser: CommandParser, action: str) -> None:
    """Add the ids of the rows, as the list shows them."""
    kinds = KINDS[action]
    parser.add_argument(
        "words",
        metavar="[KIND] ID",
        nargs="*",
        help="Kind and id of a row, as the list shows them: run uzum-17, record uzum-5. Kinds: "
        f"{', '.join(kinds)}.",
    )


def add_selection(parser: CommandParser) -> None:
    """Add the options that select several quarantined records."""
    parser.add_argument(
        "--reason",
        metavar="TEXT",
        help="Select the records whose reason contains TEXT (case-insensitive).",
    )
    parser.add_argument(
        "--platform", choices=PLATFORM_NAMES, help="Select the records of this platform."
    )


def chosen_rows(options: Options) -> Iterator[tuple[str, list[Address]]]:
    """Yield the kinds of the rows that the user named, and their addresses without duplicates.

    :raises SourceError: if an id is ambiguous, or an option does not apply
    """
    action, words = options["action"], options["words"]
    kinds, has_selection = KINDS[action], bool(options.get("reason") or options.get("platform"))
    kind = words[0] if words and words[0] in kinds else ""
    names = [name.strip("(),:") for name in (words[1:] if kind else words)]
    if kind == "records" or (has_selection and not words):
        if names:
            raise SourceError(f"To {action} records by their ids, write: record {names[0]}.")
        yield "records", []
        return
    if has_selection:
        raise SourceError(f"--reason and --platform select the records to {action}: omit the ids.")
    if not names:
        raise SourceError(f"Specify the rows to {action}, as in ingest_review list: run uzum-17.")
    addresses = list(dict.fromkeys(map(parse_address, filter(None, names))))
    rows = [(kind or find_kind(address, kinds), address) for address in addresses]
    for row_kind in dict.fromkeys(name for name, _ in rows):
        yield row_kind, [address for name, address in rows if name == row_kind]


def selected_records(options: Options) -> list[Selection]:
    """Return the records with the reason or platform that the user named.

    :raises SourceError: if the user named none, or there are no such records
    """
    reason, platform = options["reason"] or "", options["platform"] or ""
    if not (reason or platform):
        raise SourceError("Choose the records: --reason TEXT, --platform NAME, or both.")
    aliases = [get_platform(platform).database] if platform else ALIASES
    selections = [Selection(alias, platform, (), reason) for alias in aliases]
    matching = [selection for selection in selections if selection.rows().exists()]
    if not matching:
        raise SourceError("No quarantined record matches. See: ingest_review list.")
    return matching
