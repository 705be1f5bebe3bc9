"""Demonstration data of the procurement platforms: lots, from opening to payment.

UZEX is visited every ten days. A visit returns the lots that were opened, decided or paid since
the visit before, and the items of new lots.
"""

from collections import defaultdict
from collections.abc import Iterator

from marketplace.demo import DAYS, Feed, time_of
from marketplace.loading.adapters import Payload
from procurement.demo import uzex
from procurement.demo.lots import LOTS, Lot, Timeline, invent_lot, invent_timeline

PLATFORM = "uzex"
VISITS = range(0, DAYS + 1, 10)


def feeds(scale: int) -> Iterator[Feed]:
    """Yield the feeds of each platform in chronological order."""
    lots_by_visit = defaultdict(list)
    for number in range(LOTS * scale):
        for visit in _visits(invent_timeline(number, DAYS)):
            lots_by_visit[visit].append(number)
    for visit in VISITS:
        name = f"demo-{PLATFORM}-{time_of(visit):%Y-%m-%d}"
        yield Feed(PLATFORM, name, time_of(visit), _documents(lots_by_visit[visit], visit))


def _documents(numbers: list[int], day: int) -> Iterator[Payload]:
    if day == 0:
        yield from uzex.references()
    yield from uzex.write(map(_lot, numbers), day)
    for lot in map(_lot, numbers):
        if lot.form != "tender" and _first_visit(lot.timeline.opened) == day:
            yield uzex.items(lot)


def _lot(number: int) -> Lot:
    return invent_lot(number, invent_timeline(number, DAYS))


def _visits(timeline: Timeline) -> set[int]:
    """Return the days of the visits that return the lot."""
    return {_first_visit(time) for time in timeline if time <= DAYS}


def _first_visit(time: float) -> int:
    return next(visit for visit in VISITS if visit >= time)
