"""The contenders: our loader, Django's `bulk_create`, and raw COPY of finished rows.

Each loads one file or folder into the database and returns its timing.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from django.apps.registry import Apps
from django.db import connections, models, router, transaction
from psycopg2 import sql

from ecommerce import records
from ecommerce.models import Category, Offer, Product, Seller
from marketplace.exceptions import MarketplaceError
from marketplace.loading.adapters import Parsed, Payload, Source, get_adapter
from marketplace.loading.ingest import ingest
from marketplace.loading.targets import get_plan
from marketplace.loading.values import instant, normalize_title
from marketplace.registry import get_platform

PLATFORM = "uzum"

#: Products per transaction of `bulk_create`.
BATCH_SIZE = 1000

#: The file in the folder of finished rows with the columns of each table.
MANIFEST = "tables.json"


@dataclass
class Timing:
    """The duration of a load.

    :param records: the number of records that were read; 0 if the contender loads rows
    :param seconds: wall-clock time
    :param writing_seconds: wall-clock time without reading and parsing; None if not measured
    :param cpu_seconds: CPU time of this process and its child processes
    """

    records: int
    seconds: float
    writing_seconds: float | None = None
    cpu_seconds: float = 0.0


class BenchPayload(models.Model):
    """A payload in a JSONB column, in a table that only `bulk_create` uses."""

    external_id = models.TextField(primary_key=True)
    payload = models.JSONField()

    class Meta:
        # A registry of its own hides the model from the apps of the project.
        apps = Apps()
        app_label = "bench"
        db_table = "bench_payloads"
        managed = False

    def __str__(self) -> str:
        return f"Payload {self.external_id}"


def load_ours(path: Path, platform: str = PLATFORM, observed_at: str | None = None) -> Timing:
    """Load a file with our loader, as the command `ingest` does.

    :raises MarketplaceError: if a record was not loaded
    """
    # Not measured, because a long-running process does this only once.
    get_adapter(platform)
    get_plan(get_platform(platform).database)
    started = time.perf_counter()
    summary = ingest(platform, [str(path)], observed_at=instant(observed_at, "observed_at"))
    seconds = time.perf_counter() - started
    loaded = summary.created + summary.updated + summary.unchanged
    if summary.source_errors or loaded != summary.read or not loaded:
        raise MarketplaceError(f"{path.name} was not loaded completely: {asdict(summary)}")
    return Timing(summary.read, seconds)


def load_bulk(path: Path) -> Timing:
    """Load a file of Uzum with `bulk_create`, without history, hashes or quarantine."""
    create_payload_table()
    read, writing = 0, 0.0
    started = time.perf_counter()
    parsed = _parsed(path)
    while batch := list(islice(parsed, BATCH_SIZE)):
        before = time.perf_counter()
        _write(batch)
        writing += time.perf_counter() - before
        read += len(batch)
    return Timing(read, time.perf_counter() - started, writing)


def create_payload_table() -> None:
    """Create the table for the payloads of `bulk_create`, if it does not exist."""
    with connections[router.db_for_write(Product)].cursor() as cursor:
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS bench_payloads "
            "(external_id text PRIMARY KEY, payload jsonb NOT NULL)"
        )


def _parsed(path: Path) -> Iterator[tuple[Parsed, Payload]]:
    """Yield the parsed items of a file, each with its payload."""
    adapter = get_adapter(PLATFORM)
    source = Source(path.name)
    with path.open("rb") as file:
        for line in file:
            for item in adapter.split(orjson.loads(line), source):
                yield adapter.parse(item), item.payload


def _write(batch: list[tuple[Parsed, Payload]]) -> None:
    alias = router.db_for_write(Product)
    rows: dict[type[Any], dict[str, dict[str, Any]]] = {}
    payloads = {}
    for parsed, payload in batch:
        payloads[parsed.external_id] = BenchPayload(parsed.external_id, payload)
        for record in parsed.records:
            values = record._asdict() | _times(parsed)
            rows.setdefault(type(record), {})[record.external_id] = values
    with transaction.atomic(using=alias):
        sellers = _upsert(Seller, rows[records.Seller].values())
        categories = _upsert_tree(list(rows[records.Category].values()))
        products = _upsert_products(rows[records.Product], categories, sellers)
        _upsert_offers(rows[records.Offer], products, sellers)
        BenchPayload._default_manager.using(alias).bulk_create(
            payloads.values(),
            update_conflicts=True,
            unique_fields=["external_id"],
            update_fields=["payload"],
        )


def _times(parsed: Parsed) -> dict[str, Any]:
    seen = ("first_seen_at", "last_seen_at", "updated_at")
    return {"platform": PLATFORM, **dict.fromkeys(seen, parsed.observed_at)}


def _upsert_tree(nodes: list[dict[str, Any]]) -> dict[str, int]:
    """Write categories level by level, because children need the keys of their parents."""
    keys: dict[str, int] = {}
    while nodes:
        level = [node for node in nodes if node["parent_external_id"] in {None, *keys}]
        nodes = [node for node in nodes if node["parent_external_id"] not in {None, *keys}]
        for node in level:
            node["parent_id"] = keys.get(node.pop("parent_external_id"))
        keys |= _upsert(Category, level)
    return keys


def _upsert_products(
    rows: dict[str, dict[str, Any]], categories: dict[str, int], sellers: dict[str, int]
) -> dict[str, int]:
    for values in rows.values():
        values["category_id"] = categories.get(values.pop("category_external_id"))
        values["seller_id"] = sellers.get(values.pop("seller_external_id"))
        values["title_normalized"] = normalize_title(values["title"])
    return _upsert(Product, rows.values())


def _upsert_offers(
    rows: dict[str, dict[str, Any]], products: dict[str, int], sellers: dict[str, int]
) -> None:
    for values in rows.values():
        values["product_id"] = products[values.pop("product_external_id")]
        values["seller_id"] = sellers.get(values.pop("seller_external_id"))
        values["scraped_at"] = values["last_seen_at"]
    _upsert(Offer, rows.values())


def _upsert(model: type[models.Model], rows: Any) -> dict[str, int]:
    """Insert rows, or update existing ones; return their keys by `external_id`."""
    key = ["platform", "external_id"]
    preserved = {"id", "first_seen_at", *key}
    instances = [model(**values) for values in rows]
    fields = [field.name for field in model._meta.concrete_fields if not field.generated]
    manager: Any = model._default_manager
    manager.bulk_create(
        instances,
        update_conflicts=True,
        unique_fields=key,
        update_fields=[name for name in fields if name not in preserved],
    )
    return {instance.external_id: instance.pk for instance in instances}  # type: ignore[attr-defined]


def load_copy(folder: Path) -> Timing:
    """Load finished rows with COPY, in one transaction of one connection."""
    alias = router.db_for_write(Product)
    tables = json.loads((folder / MANIFEST).read_bytes())
    started = time.perf_counter()
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        for table, columns in tables.items():
            statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
                sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
            )
            with (folder / table).open("rb") as file:
                cursor.copy_expert(statement, file, size=1 << 20)
    return Timing(0, time.perf_counter() - started)


CONTENDERS: dict[str, Callable[..., Timing]] = {
    "ours": load_ours,
    "bulk_create": load_bulk,
    "copy": load_copy,
}
