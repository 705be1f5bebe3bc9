"""Damaged payloads of every form, in the company of sound ones: nothing is lost, nothing breaks.

Real payloads are damaged at random, from a seed: types swapped, keys dropped, nesting cut, numbers
huge or negative, text of the worst kind; and lines of JSON by their bytes. There are 6,000 over all
forms; MUTATIONS in the environment makes it more.
"""

import json
import os
import random
from datetime import datetime

import pytest
from django.apps import apps

from marketplace.loading.adapters import Source, get_adapter
from marketplace.loading.formats import documents
from marketplace.loading.ingest import expand, ingest, load_documents
from marketplace.loading.targets import get_plan
from marketplace.loading.values import TASHKENT
from marketplace.registry import get_platform
from tests import payloads
from tests.mutation import mutate

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds", "procurement"])

MUTATIONS = int(os.environ.get("MUTATIONS", "6000"))
NOON = datetime(2026, 6, 1, 12, tzinfo=TASHKENT)

#: Platform and file, one or more of each form.
FILES = [
    ("uzum", "uzum/uzum-product-1772350.json"),
    ("uzum", "uzum/uzum-mainpage-graphql-2023-11.json"),
    ("uzum", "uzum/uzum-cards-graphql-2025-08.json"),
    ("wildberries", "wildberries/wb-catalog-v1-100.json"),
    ("wildberries", "wildberries/wb-search-and-detail-v4-samples.json"),
    ("wildberries", "wildberries/wb-card-pricehistory-raw.json"),
    ("wildberries", "wildberries/wb-main-menu-2025.json.gz"),
    ("ozon", "ozon/ozon-search-data.csv.gz"),
    ("ozon", "ozon/ozon-seller-feed-lg.xml"),
    ("ozon", "ozon/ozon-category-trees-open.json.gz"),
    ("yandex", "yandex/yml-alstyle-2025-09-11.xml.gz"),
    ("yandex", "yandex/yml-beautyty-2020-01-28.xml.gz"),
    ("yandex", "yandex/market-yandex-uz-hp-laptop-1113644663.json"),
    ("olx", "olx/olx-uz-cars-2025-12.json"),
    ("olx", "olx/olx-uz-rent-tashkent-2022-10"),
    ("olx", "olx/olx-api-v1-offers-samples.json"),
    ("olx", "olx/olx-uz-category-tree-2022.json"),
    ("uzex", "procurement/uzex-auction-completed-deals-page.json"),
    ("uzex", "procurement/uzex-shop-lots-page.json"),
    ("uzex", "procurement/uzex-etender-lots-open.json"),
    ("uzex", "procurement/uzex-auction-products-379514.json"),
    ("uzex", "procurement/uzex-shop-products-4550655.json"),
    ("uzex", "procurement/uzex-categories.json"),
    ("uzex", "procurement/uzex-regions-intercepted.json"),
]

#: Texts that have broken loaders before.
TEXTS = [
    "a\0b",
    "\ud800",
    "\\N",
    "a\tb\nc\rd\\",
    "'); DROP TABLE ecommerce_products; --",
    "\u202e\u200b\ufeff",
    "Ў" * 20_000,
    " ".join(map(str, range(3000))),
    "1e400",
    "-0",
    "٣",
    "9" * 400,
]
NUMBERS = [-1, 2**31, 2**63, 2**64, -(2**63), 10**18, 10**40, 1e308, -1e-308, float("inf")]
NUMBERS += [float("nan")]

#: What is at fault is the whole document, not a field.
WHOLE = (
    "not a known shape of",
    "expected an object",
    "cannot be read",
    "is not JSON",
    "is not UTF-8",
)

#: Things of the sound neighbors, which no damaged payload tells of.
FIRST_ID = 7_770_000_000


def uzum(number):
    skus = [{"id": number, "sellPrice": 1000}]
    return {"productId": number, "title": "Choynak", "skuList": skus}


def wildberries(number):
    size = {"optionId": number, "origName": "0"}
    told = {"id": number, "name": "Choynak", "priceU": 200, "salePriceU": 100, "sizes": [size]}
    return {"data": {"products": [told]}}


def ozon(number):
    return {
        "product_url": f"/product/choynak-{number}/",
        "product_name": "Choynak",
        "final_price": "100",
        "market": "OZON",
    }


def yandex(number):
    head = {"date": None, "name": "Uy", "company": None, "url": None, "comment": ""}
    offer = {"@id": str(number), "name": ["TV"], "price": ["5"], "currencyId": ["UZS"]}
    return {"yml_catalog": head, "offer": offer}


def olx(number):
    return {"id": number, "title": "Divan", "created_time": "2026-05-01T10:00:00", "params": []}


def uzex(number):
    return {
        "lot_id": number,
        "lot_display_no": "2511",
        "deal_id": number,
        "deal_date": "2025-12-04T12:19:29",
        "start_cost": 1000.0,
        "deal_cost": 900.0,
        "category_name": "Бумага",
        "customer_inn": "203195074",
        "customer_name": "Maktab",
        "pcp_count": 3.0,
        "rn": 1,
        "total_count": 9,
    }


SOUND = {each.__name__: each for each in (uzum, wildberries, ozon, yandex, olx, uzex)}


def shorten(document):
    """Return a document whose long lists are cut as far as is needed: it is loaded many times."""
    for limit in (20, 8, 4, 2):
        document = _cut(document, limit)
        if len(json.dumps(document)) < 40_000:
            break
    return document


def _cut(value, limit):
    if isinstance(value, list):
        return [_cut(each, limit) for each in (value[:2] if len(value) > limit else value)]
    if isinstance(value, dict):
        items = list(value.items())
        is_list = len(items) > limit and all(isinstance(each, dict) for _, each in items)
        return {key: _cut(each, limit) for key, each in (items[:2] if is_list else items)}
    return value


def real(name):
    """Return some documents of a file."""
    found = []
    for path in expand(str(payloads.path(name))):
        for entry in documents.read(path, 1 << 30):
            found.append(shorten(entry.document))
            if len(found) == 40:
                return found
    return found


def damage(document, generator):
    """Return a damaged copy of a document."""
    copy = mutate(document, generator)
    if generator.random() < 0.5:
        parent, key = generator.choice(list(_places(copy)) or [({"": copy}, "")])
        bad = [
            generator.choice(TEXTS),
            generator.choice(NUMBERS),
            [parent[key]],
            {"a": parent[key]},
        ]
        parent[key] = generator.choice(bad)
    return copy


def _places(value):
    """Yield where values are: their list or object, and the index or key."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in list(inside):
        yield value, key
        if isinstance(each, dict | list):
            yield from _places(each)


def counted(platform, name, document):
    """Return how many records a document should be read as, at least."""
    adapter = get_adapter(platform)
    try:
        found = adapter.split(documents.clean(document), Source(name.rpartition("/")[2], {}))
        return sum(item.is_counted for item in found)
    except Exception:  # noqa: BLE001 # whatever it is, it must end up in quarantine
        return 1


def load(platform, name, loaded):
    """Load documents as if they were a file's, whose name may say what they do not."""
    return load_documents(platform, loaded, name=name.rpartition("/")[2], observed_at=NOON)


def things(platform):
    """Return the rows that items of a platform are about."""
    hashed = get_plan(get_platform(platform).database).hashed_targets
    return [target.model.objects.filter(platform=platform) for target in hashed]


def missing(platform, ids):
    """Return the sound neighbors that are not there."""
    known = set()
    for rows in things(platform):
        known.update(rows.values_list("external_id", flat=True))
    return [each for each in ids if not any(key.split(":")[-1] == each for key in known)]


def unexplained(platform):
    """Return the reasons in quarantine that name no field, though one is at fault."""
    model = apps.get_model(get_platform(platform).database, "QuarantinedRecord")
    return [
        (record.reason[:200], json.dumps(record.context))
        for record in model.objects.filter(platform=platform)
        if not record.reason or not (record.field or record.reason.startswith(WHOLE))
    ]


@pytest.fixture(autouse=True)
def _open_gates(settings):
    settings.INGEST_GATES = {"default": {"is_enabled": False}}
    settings.INGEST_BATCH_SIZE = 40


@pytest.mark.parametrize(("platform", "name"), FILES, ids=[name for _, name in FILES])
class TestMutations:
    def test_what_they_are_made_of_is_sound(self, platform, name):
        neighbors = [SOUND[platform](FIRST_ID + n) for n in range(3)]

        summary = load(platform, name, [*real(name), *neighbors])

        assert (summary.rejected, summary.failures) == (0, [])

    def test_are_loaded_or_quarantined_and_cost_nobody_else(self, platform, name):
        generator = random.Random(name)
        originals = real(name)
        damaged = [
            damage(generator.choice(originals), generator) for _ in range(MUTATIONS // len(FILES))
        ]
        mixed, ids = [], []
        for number, document in enumerate(damaged):
            mixed.append(document)
            if number % 3 == 0:
                ids.append(str(FIRST_ID + number))
                mixed.append(SOUND[platform](FIRST_ID + number))

        summary = load(platform, name, mixed)

        assert summary.failures == []
        told = summary.created + summary.updated + summary.unchanged + summary.rejected
        assert summary.read == told
        assert summary.read >= len(ids) + sum(counted(platform, name, each) for each in damaged)
        assert not missing(platform, ids)
        assert not unexplained(platform)


def spoil(line, generator):
    """Return a line whose bytes are damaged at one place: cut off, lost, doubled or another."""
    start = generator.randrange(len(line))
    end = min(start + generator.randint(1, 30), len(line))
    ways = [
        line[:start],
        line[:start] + line[end:],
        line[:end] + line[start:],
        line[:start] + bytes(generator.choices(range(256), k=3)) + line[end:],
    ]
    return generator.choice(ways).replace(b"\n", b"").replace(b"\r", b"") or b"{"


@pytest.mark.parametrize("platform", SOUND)
class TestDamagedLines:
    def test_cost_nobody_else(self, platform, tmp_path):
        generator = random.Random(platform)
        names = [name for each, name in FILES if each == platform]
        originals = [json.dumps(each).encode() for name in names for each in real(name)]
        lines, ids = [], []
        for number in range(MUTATIONS // 12):
            ids.append(str(FIRST_ID + number))
            lines.append(json.dumps(SOUND[platform](FIRST_ID + number)).encode())
            lines.append(spoil(generator.choice(originals), generator))
        path = tmp_path / "lines.jsonl"
        path.write_bytes(b"\n".join(lines))

        summary = ingest(platform, [str(path)], observed_at=NOON, options={"lot": "1"})

        assert summary.failures == []
        assert summary.rejected > len(ids) // 4
        assert not missing(platform, ids)
        assert not unexplained(platform)
