"""Damaged payloads of every shape among valid ones: valid ones are loaded, others quarantined.

Real payloads are damaged at random, from a seed: types are swapped, keys dropped, nesting is cut,
numbers are huge or negative, texts are hostile. Lines of JSON are damaged in their bytes. The
environment variable MUTATIONS is the number of damaged payloads in `make soak`.
"""

import json
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
from tests.mutation import mutate, shorten
from tests.repetitions import short_and_long

pytestmark = pytest.mark.django_db(databases=["ecommerce", "classifieds", "procurement"])

#: The number of damaged payloads of all files, or damaged lines of all platforms.
MUTATIONS = pytest.mark.parametrize("mutations", short_and_long(960, 6000, "MUTATIONS"))

NOON = datetime(2026, 6, 1, 12, tzinfo=TASHKENT)

#: Platform and file: at least one file of each shape.
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

#: Beginnings of reasons that concern the whole document, not a field.
WHOLE = (
    "not a known shape of",
    "expected an object",
    "cannot be read",
    "is not JSON",
    "is not UTF-8",
)

#: The first id of the sound payloads, which no damaged payload has.
FIRST_ID = 7_770_000_000


def uzum(number):
    skus = [{"id": number, "sellPrice": 1000}]
    return {"productId": number, "title": "Choynak", "skuList": skus}


def wildberries(number):
    size = {"optionId": number, "origName": "0"}
    product = {"id": number, "name": "Choynak", "priceU": 200, "salePriceU": 100, "sizes": [size]}
    return {"data": {"products": [product]}}


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


SOUND = {factory.__name__: factory for factory in (uzum, wildberries, ozon, yandex, olx, uzex)}


def real(name):
    """Return the first 40 documents of a file."""
    result = []
    for path in expand(str(payloads.path(name))):
        for entry in documents.read(path):
            result.append(shorten(entry.document))
            if len(result) == 40:
                return result
    return result


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
    """Yield the place of each value: its list or object, and its index or key."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, entry in list(entries):
        yield value, key
        if isinstance(entry, dict | list):
            yield from _places(entry)


def counted(platform, name, document):
    """Return the minimum number of records that a document should be counted as."""
    adapter = get_adapter(platform)
    try:
        items = adapter.split(documents.clean(document), Source(name.rpartition("/")[2], {}))
        return sum(item.is_counted for item in items)
    except Exception:  # noqa: BLE001 # a document that cannot be split is one quarantined record
        return 1


def load(platform, name, loaded):
    """Load documents as those of a file, whose name may state what they omit."""
    return load_documents(platform, loaded, name=name.rpartition("/")[2], observed_at=NOON)


def hashed_rows(platform):
    """Return the products, listings or lots of a platform."""
    hashed = get_plan(get_platform(platform).database).hashed_targets
    return [target.model.objects.filter(platform=platform) for target in hashed]


def missing(platform, ids):
    """Return the ids of valid payloads that are not stored."""
    stored = set()
    for rows in hashed_rows(platform):
        stored.update(rows.values_list("external_id", flat=True))
    last_parts = {key.split(":")[-1] for key in stored}
    return [external_id for external_id in ids if external_id not in last_parts]


def unexplained(platform):
    """Return the reasons of quarantined records that name no field, although one is faulty."""
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
    @pytest.mark.slow
    def test_the_original_payloads_are_valid(self, platform, name):
        neighbors = [SOUND[platform](FIRST_ID + n) for n in range(3)]

        summary = load(platform, name, [*real(name), *neighbors])

        assert (summary.rejected, summary.source_errors) == (0, [])

    @MUTATIONS
    def test_are_loaded_or_quarantined_without_affecting_others(self, platform, name, mutations):
        generator = random.Random(name)
        originals = real(name)
        count = mutations // len(FILES)
        damaged = [damage(generator.choice(originals), generator) for _ in range(count)]
        mixed, ids = [], []
        for number, document in enumerate(damaged):
            mixed.append(document)
            if number % 3 == 0:
                ids.append(str(FIRST_ID + number))
                mixed.append(SOUND[platform](FIRST_ID + number))

        summary = load(platform, name, mixed)

        assert summary.source_errors == []
        total = summary.created + summary.updated + summary.unchanged + summary.rejected
        assert summary.read == total
        assert summary.read >= len(ids) + sum(
            counted(platform, name, document) for document in damaged
        )
        assert not missing(platform, ids)
        assert not unexplained(platform)


def spoil(line, generator):
    """Return a line with bytes cut off, removed, doubled or replaced at one place."""
    start = generator.randrange(len(line))
    end = min(start + generator.randint(1, 30), len(line))
    ways = [
        line[:start],
        line[:start] + line[end:],
        line[:end] + line[start:],
        line[:start] + bytes(generator.choices(range(256), k=3)) + line[end:],
    ]
    return generator.choice(ways).replace(b"\n", b"").replace(b"\r", b"") or b"{"


@MUTATIONS
@pytest.mark.parametrize("platform", SOUND)
class TestDamagedLines:
    def test_do_not_affect_other_lines(self, platform, tmp_path, mutations):
        generator = random.Random(platform)
        names = [name for owner, name in FILES if owner == platform]
        originals = [json.dumps(document).encode() for name in names for document in real(name)]
        lines, ids = [], []
        for number in range(mutations // 12):
            ids.append(str(FIRST_ID + number))
            lines.append(json.dumps(SOUND[platform](FIRST_ID + number)).encode())
            lines.append(spoil(generator.choice(originals), generator))
        path = tmp_path / "lines.jsonl"
        path.write_bytes(b"\n".join(lines))

        summary = ingest(platform, [str(path)], observed_at=NOON, options={"lot": "1"})

        assert summary.source_errors == []
        assert summary.rejected > len(ids) // 4
        assert not missing(platform, ids)
        assert not unexplained(platform)
