"""The files that are loaded, written once for each version of the modules that write them."""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import orjson
from django.conf import settings

from bench import corpus, words
from bench.corpus import FIRST, Visit
from marketplace import demo
from marketplace.demo import Feed
from marketplace.loading.adapters import Source, get_adapter
from marketplace.registry import get_platform
from procurement.demo import uzex
from procurement.demo.lots import Lot, invent_lot, invent_timeline


class Records(NamedTuple):
    """A file with records of a platform of the demonstration.

    :param observed_at: the time of observation in ISO 8601
    """

    platform: str
    path: Path
    observed_at: str

    @property
    def arguments(self) -> tuple[Path, str, str]:
        """The arguments of `bench.contenders.load_ours`."""
        return self.path, self.platform, self.observed_at


def uzum(numbers: range, visit: Visit = FIRST) -> Path:
    """Return the file with the responses for products of some numbers."""
    name = f"uzum-{numbers.start}-{numbers.stop}-{visit.name}.jsonl"
    folder = _folder("uzum", [Path(corpus.__file__), Path(words.__file__)])
    return _write(folder / name, lambda: corpus.lines(numbers, visit))


def records(platform: str, count: int) -> Records:
    """Return a file with about `count` records of a platform, from its largest visit."""
    visits = list(_feeds(platform, 1))
    sizes = [_count(feed) for feed in visits]
    place = sizes.index(max(sizes))
    scale = -(-count // sizes[place])
    module = import_module(f"{get_platform(platform).database}.demo")
    sources = [Path(demo.__file__), *Path(module.__path__[0]).glob("*.py")]
    path = _folder(platform, sources) / f"{platform}-{count}.jsonl"

    def lines() -> Iterator[bytes]:
        feed = next(islice(_feeds(platform, scale), place, None))
        return (
            orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE) for document in feed.documents
        )

    return Records(platform, _write(path, lines), visits[place].observed_at.isoformat())


def lots(count: int) -> Records:
    """Return a file with `count` procurement lots and their items, about 11 per lot."""
    sources = [Path(__file__), Path(demo.__file__), *Path(uzex.__file__).parent.glob("*.py")]
    path = _folder("lots", sources) / f"lots-{count}.jsonl"

    def lines() -> Iterator[bytes]:
        for start in range(0, count, uzex.PAGE_SIZE):
            page = [_large_lot(number) for number in range(start, start + uzex.PAGE_SIZE)]
            listed = (uzex.items(lot) for lot in page if lot.form != "tender")
            for document in (*uzex.write(page, demo.DAYS), *listed):
                yield orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)

    return Records("uzex", _write(path, lines), demo.END.isoformat())


def _large_lot(number: int) -> Lot:
    """Return a lot of the demonstration; n > 1 items become 2 n + 2."""
    lot = invent_lot(number, invent_timeline(number, demo.DAYS))
    return lot if len(lot.items) == 1 else lot._replace(items=lot.items * 2 + lot.items[:2])


def _feeds(platform: str, scale: int) -> Iterator[Feed]:
    module = import_module(f"{get_platform(platform).database}.demo")
    return (feed for feed in module.feeds(scale) if feed.platform == platform)


def _count(feed: Feed) -> int:
    adapter = get_adapter(feed.platform)
    return sum(
        item.is_counted for document in feed.documents for item in adapter.split(document, Source())
    )


def _folder(name: str, sources: Iterable[Path]) -> Path:
    """Return the folder for the files of these modules; files of their old versions are removed."""
    digest = hashlib.blake2b(digest_size=6)
    for source in sorted(sources):
        digest.update(source.read_bytes())
    parent = settings.DATA_DIR / "corpus" / name
    folder: Path = parent / digest.hexdigest()
    for other in parent.glob("*"):
        if other != folder:
            shutil.rmtree(other)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write(path: Path, lines: Callable[[], Iterator[bytes]]) -> Path:
    """Write a file if it does not exist. The file gets its name when it is complete."""
    if not path.exists():
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            file.writelines(lines())
        part.rename(path)
    return path
