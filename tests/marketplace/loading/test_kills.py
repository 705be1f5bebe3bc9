"""Killed loaders and servers: the content is that of an undisturbed load in the end.

Each kill happens at a random time, drawn from a seed. The environment variables KILLS and
SERVER_KILLS are the numbers of kills in `make soak`.
"""

import gzip
import json
import random
import time
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest

from bench import corpus
from tests.content import differences
from tests.marketplace.stage import Stage, wait
from tests.repetitions import repeated

NUMBERS = range(160)

#: The time of observation of payloads without a time.
OBSERVED = "2026-06-02T12:00:00+00:00"

RUNS = """
    SELECT
        status, read_count, created_count, updated_count, unchanged_count, rejected_count,
        price_point_count
    FROM ecommerce_load_runs ORDER BY id
"""


class Call(NamedTuple):
    """The command line of a loader.

    :param total: number of records that it reads
    """

    platform: str
    arguments: list[str]
    total: int

    @property
    def command(self):
        return ["ingest", self.platform, *self.arguments, "--observed-at", OBSERVED]


def _children(pid):
    try:
        return [
            int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ]
    except FileNotFoundError:
        return []


def _is_running(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def _damaged():
    """Yield lines of which every sixth cannot be loaded, for various reasons."""
    faults = [
        lambda line, document: line[: len(line) // 2],
        lambda line, document: orjson.dumps(document | {"payload": {"data": {"id": 1}}}),
        lambda line, document: line.replace(b'"purchasePrice":', b'"purchasePrice":-'),
        lambda line, document: b'"no object"',
        lambda line, document: line.replace(b'"ordersAmount":', b'"ordersAmount":[],"other":', 1),
    ]
    for number in range(NUMBERS.stop, NUMBERS.stop + 60):
        line = orjson.dumps(corpus.document(number))
        if number % 6 == 0:
            line = faults[number // 6 % len(faults)](line, orjson.loads(line))
        yield line


def _cards():
    """Yield cards of a product list, which state no time."""
    for number in range(1, 61):
        skus = [{"id": number * 10 + n, "sellPrice": 5000 + number + n} for n in range(2)]
        yield {"productId": number, "title": f"Choynak {number}", "skuList": skus}


def _feed(day):
    """Return the feed of a shop. The price of every fourth offer changes each day."""
    categories = "".join(
        f'<category id="{n}" parentId="{n // 4}">Bo‘lim {n}</category>' for n in range(1, 21)
    )
    offers = "".join(
        f'<offer id="{n}" available="{"true" if (n + day) % 9 else "false"}">'
        f"<name>Chovgum {n}</name><price>{1000 + n + 10 * ((n + day) // 4)}</price>"
        f"<currencyId>UZS</currencyId><categoryId>{n % 20 + 1}</categoryId></offer>"
        for n in range(1, 201)
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><yml_catalog date="2026-06-0{day} 10:00">'
        "<shop><name>Uy</name><currencies><currency id='UZS' rate='1'/></currencies>"
        f"<categories>{categories}</categories><offers>{offers}</offers></shop></yml_catalog>"
    )


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    """The loads: several days of products with a late one, cards and damaged lines; feeds."""
    folder = tmp_path_factory.mktemp("payloads")
    days = []
    for visit in (corpus.FIRST, corpus.RESCRAPED, corpus.CHANGED):
        path = folder / f"{visit.name}.jsonl"
        path.write_bytes(b"".join(corpus.lines(NUMBERS, visit)))
        days.append(str(path))
    damaged, cards = folder / "damaged.jsonl", folder / "cards.json"
    damaged.write_bytes(b"\n".join(_damaged()))
    cards.write_text(json.dumps(list(_cards())))
    feeds = [folder / f"uy-{day}.xml.gz" for day in (1, 3, 2)]
    for path, day in zip(feeds, (1, 3, 2), strict=True):
        path.write_bytes(gzip.compress(_feed(day).encode()))
    products = [*days[:1], str(damaged), days[1], str(cards), days[2]]
    return [
        Call("uzum", products, 3 * len(NUMBERS) + 60 + 60),
        Call("yandex", list(map(str, feeds)), 3 * 200),
    ]


@pytest.fixture(scope="module")
def stage(create_machine, tmp_path_factory):
    stage = Stage(create_machine(tmp_path_factory.mktemp("stage") / "data"))
    yield stage
    stage.stop()


@pytest.fixture(scope="module")
def undisturbed(stage, calls):
    """Platform → content and run counts after an undisturbed load."""
    results = {}
    for call in calls:
        name = stage.use_new_database()
        result = stage.machine(*call.command)
        assert result.returncode == 0, result.stdout + result.stderr
        results[call.platform] = (stage.content(name), _runs(stage, name))
        [(status, read, *_)] = results[call.platform][1]
        assert (status, read) == ("completed", call.total)
        stage.drop(name)
    rejected = results["uzum"][0]["QuarantinedRecord"].values()
    assert sum(int(record["seen_count"]) for record in rejected) == 10
    return results


def _runs(stage, name):
    return stage.ask(name, RUNS)


def _kill_loader(stage, name, call, generator):
    """Kill a loader at a random time, while both of its processes are working."""
    loader = stage.machine.start(*call.command)
    stage.wait_until_read(name, generator.randrange(-1, call.total), loader)
    time.sleep(generator.uniform(0, 0.03))
    readers = _children(loader.pid)
    loader.kill()
    loader.communicate(timeout=30)
    wait(lambda: not any(map(_is_running, readers)), "the reader process has not ended")
    stage.wait_until_alone(name)


def _is_nothing_left(stage, database):
    """Return whether no run is running and no source is incomplete."""
    counts = stage.ask(
        database,
        "SELECT (SELECT count(*) FROM ecommerce_load_runs WHERE status = 'running'), "
        "(SELECT count(*) FROM ecommerce_load_sources WHERE NOT is_complete)",
    )
    return counts == [(0, 0)]


class TestKills:
    @pytest.mark.parametrize("number", repeated(2, 50, "KILLS"))
    def test_of_a_loader_that_is_resumed(self, stage, calls, undisturbed, database, number):
        generator = random.Random(number)
        call = calls[0 if number % 4 else 1]
        expected, counts = undisturbed[call.platform]

        _kill_loader(stage, database, call, generator)
        # A loader that was killed before its run began has no run to resume.
        command = ["ingest", call.platform, "--resume"] if _runs(stage, database) else call.command
        result = stage.machine(*command)

        assert result.returncode == 0, result.stdout + result.stderr
        assert differences(expected, stage.content(database)) == []
        assert _runs(stage, database) == counts
        assert _is_nothing_left(stage, database)

    def test_of_a_loader_that_is_run_again(self, stage, calls, undisturbed, database):
        call = calls[0]
        expected, [(_, _, created, *_)] = undisturbed[call.platform]

        _kill_loader(stage, database, call, random.Random("again"))
        result = stage.machine(*call.command)

        assert result.returncode == 0, result.stdout + result.stderr
        # A record that is rejected again is counted again.
        actual = stage.content(database, without=["QuarantinedRecord.seen_count"])
        assert differences(expected, actual) == []
        runs = _runs(stage, database)
        assert [status for status, *_ in runs] == ["failed", "completed"]
        assert sum(new for _, _, new, *_ in runs) == created

    @pytest.mark.parametrize("number", repeated(1, 10, "SERVER_KILLS"))
    def test_of_the_server(self, stage, calls, undisturbed, database, number):
        generator = random.Random(f"server {number}")
        call = calls[0 if number % 4 else 1]
        expected, counts = undisturbed[call.platform]

        loader = stage.machine.start(*call.command)
        stage.wait_until_read(database, generator.randrange(call.total), loader)
        time.sleep(generator.uniform(0, 0.03))
        stage.kill_server()
        output, _ = loader.communicate(timeout=120)

        assert loader.returncode == 0, output
        assert differences(expected, stage.content(database)) == []
        assert _runs(stage, database) == counts
        assert _is_nothing_left(stage, database)
