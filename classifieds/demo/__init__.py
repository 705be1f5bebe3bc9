"""Demonstration data of the classifieds platforms: ads, from publication to their end.

OLX is visited every ten days. A visit returns the ads that were published, changed or ended since
the visit before. The last visit also returns all ads that are still active.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import NamedTuple

from classifieds.demo import olx
from classifieds.demo.adverts import Advert, invent_advert
from classifieds.demo.olx import Ad, Seller
from classifieds.places import CAPITAL, CITIES, City
from marketplace.demo import DAYS, START, Feed, draw, time_of
from marketplace.loading.adapters import Payload

PLATFORM = "olx"
LISTINGS = 5000
SELLERS = 3200
VISITS = range(0, DAYS + 1, 10)

#: Time for which an ad is shown after it is refreshed.
SHOWN_FOR = timedelta(days=30)

#: The final status of an ad on the platform; None if it remains active.
_ENDS = {"sold": 20, "removed_by_user": 12, "outdated": 18, None: 50}

_BUSINESSES = ("Avto Salon", "Mobil Markaz", "Uy-Joy Servis", "Mebel Dunyosi", "Kadrlar Markazi")

_DISTRICTS = (
    "Алмазарский район",
    "Мирабадский район",
    "Мирзо-Улугбекский район",
    "Сергелийский район",
    "Учтепинский район",
    "Чиланзарский район",
    "Шайхантахурский район",
    "Юнусабадский район",
    "Яккасарайский район",
    "Яшнабадский район",
)


#: Almost half of all ads are in the capital.
_CITY_WEIGHTS = [40, 8, 6, 6, 3, 6, 5, 4, *[2] * (len(CITIES) - 8)]


class Life(NamedTuple):
    """The lifecycle of an ad, in days of the demonstration.

    :param drops: days on which the price changes, with their factors
    :param end: the day on which the ad ends, and its final status; None if it remains active
    """

    number: int
    posted: float
    drops: tuple[tuple[float, float], ...]
    end: tuple[float, str] | None

    def visits(self) -> set[int]:
        """Return the days of the visits that return the ad."""
        last = self.end[0] if self.end else float(DAYS)
        events = [self.posted, *(day for day, _ in self.drops if day < last), last]
        return {next(visit for visit in VISITS if visit >= event) for event in events}


def feeds(scale: int) -> Iterator[Feed]:
    """Yield the feeds of each platform in chronological order."""
    lives_by_visit = defaultdict(list)
    for number in range(LISTINGS * scale):
        life = _life(number)
        for visit in life.visits():
            lives_by_visit[visit].append(life)
    for visit in VISITS:
        name = f"demo-{PLATFORM}-{time_of(visit):%Y-%m-%d}"
        yield Feed(PLATFORM, name, time_of(visit), _documents(lives_by_visit[visit], visit))


def _documents(lives: list[Life], day: int) -> Iterator[Payload]:
    if day == 0:
        yield olx.category_tree()
    yield from olx.write(_ad(life, day) for life in lives)


def _life(number: int) -> Life:
    random = draw("life", number)
    posted = random.uniform(-25, DAYS - 2)
    first_visit = next(visit for visit in VISITS if visit >= posted)
    status = random.choices(list(_ENDS), list(_ENDS.values()))[0]
    end = first_visit + random.uniform(2, 60)
    times = random.choices((0, 1, 2), (70, 23, 7))[0]
    drops = (
        (first_visit + random.uniform(1, 80), random.choice((0.9, 0.93, 0.95, 0.97, 1.05)))
        for _ in range(times)
    )
    return Life(
        number,
        posted,
        tuple(drop for drop in sorted(drops) if drop[0] < DAYS),
        (end, status) if status and end < DAYS else None,
    )


def _ad(life: Life, day: int) -> Ad:
    """Return the ad as it is published on a day."""
    random = draw("ad", life.number)
    advert = invent_advert(random)
    city = random.choices(CITIES, _CITY_WEIGHTS)[0]
    ended = life.end is not None and life.end[0] <= day
    shown_until = life.end[0] if life.end and ended else day
    # Sellers refresh their ads once a week.
    refreshed = life.posted + (shown_until - life.posted) // 7 * 7
    refreshed_at = time_of(refreshed).replace(microsecond=0)
    latitude, longitude = _place(random, city)
    return Ad(
        number=life.number,
        advert=advert,
        seller=_seller(random, life.number),
        city=city,
        district=random.choice(_DISTRICTS) if city.name == CAPITAL else None,
        latitude=latitude,
        longitude=longitude,
        price=_price(advert, life, day),
        is_negotiable=random.random() < 0.45,
        photos=random.randint(1, 5),
        status=_end_status(advert, life.end[1]) if life.end and ended else "active",
        posted_at=time_of(life.posted).replace(microsecond=0),
        refreshed_at=refreshed_at,
        expires_at=refreshed_at + SHOWN_FOR,
    )


def _end_status(advert: Advert, status: str) -> str:
    # Jobs and gifts cannot be sold.
    return "removed_by_user" if status == "sold" and advert.price is None else status


def _place(random: Random, city: City) -> tuple[float, float]:
    spread = 0.05 if city.name == CAPITAL else 0.02
    return (
        round(float(city.latitude) + random.uniform(-spread, spread), 5),
        round(float(city.longitude) + random.uniform(-spread, spread), 5),
    )


def _price(advert: Advert, life: Life, day: int) -> int | None:
    if advert.price is None:
        return None
    price = float(advert.price)
    for drop_day, factor in life.drops:
        price *= factor if drop_day <= day else 1
    step = 12_000 if advert.in_dollars else 5_000
    return round(price / step) * step


def _seller(random: Random, number: int) -> Seller:
    # Each block of LISTINGS ads has its own sellers: a larger scale does not change existing ads.
    seller = random.randrange(SELLERS) + number // LISTINGS * SELLERS
    is_business = seller % 10 == 0
    business = f"{_BUSINESSES[seller // 10 % len(_BUSINESSES)]} {seller}"
    name = business if is_business else f"Seller {olx.FIRST_ID + seller}"
    return Seller(seller, name, is_business, START - timedelta(days=30 + seller * 7 % 2000))
