"""Damaged files and manifests are reported, and block dropping a table."""

import hashlib
import json

import pytest
from django.contrib.admin import site

from ecommerce import queries
from ecommerce.archive import export, layout, manifests, months
from ecommerce.archive.months import Place
from ecommerce.models import ArchivedMonth, Offer
from marketplace.exceptions import ArchiveError
from tests.commands import run
from tests.ecommerce.archiving import (
    AGE,
    MAY,
    archive,
    files,
    make_history,
    manifest_of,
    rows,
    unarchive,
)

pytestmark = [
    pytest.mark.django_db(databases=["ecommerce"], transaction=True),
    pytest.mark.usefixtures("archive_dir"),
]


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


def delete(path):
    path.unlink()


@pytest.mark.parametrize("damage", [flip, truncate, delete])
class TestDamage:
    def test_damage_while_writing(self, damage, monkeypatch):
        make_history(offers=4)
        before = rows(MAY)
        write = export._write_files

        def write_damaged(*arguments):
            written = write(*arguments)
            damage(layout.root() / written[1].path)
            return written

        monkeypatch.setattr(export, "_write_files", write_damaged)
        result = run("db_archive", AGE, "--force")

        assert result.code == 1
        assert "2021-05 failed: " in result.err
        assert "platform=uzum/month=2021-05/points-" in result.err
        assert rows(MAY) == before
        assert not ArchivedMonth.objects.exists()

    def test_damage_before_the_table_is_dropped(self, damage, monkeypatch):
        make_history(offers=4)
        before = rows(MAY)
        detach, damaged = months.detach, []

        def detach_and_damage(month):
            detach(month)
            if not damaged:
                damaged.append(files(month)[0])
                damage(damaged[0])

        monkeypatch.setattr(months, "detach", detach_and_damage)
        archive(MAY)

        # The file was written again.
        assert damaged[0].exists()
        unarchive(MAY)
        assert rows(MAY) == before

    def test_damage_of_an_archived_month(self, damage):
        offer = make_history(offers=4)[0]
        archive(MAY)
        path = next(file for file in files(MAY) if "uzum" in str(file))
        queries.monthly_prices()
        damage(path)

        result = run("db_archive", "--verify")
        assert (result.code, result.out) == (1, "")
        assert str(path) in result.err
        for ask in (queries.monthly_prices, lambda: queries.price_points([offer.pk])):
            with pytest.raises(ArchiveError, match=path.name):
                ask()
        assert path.name in run("price_history", "uzum", offer.external_id).err
        assert path.name in run("db_unarchive", "2021-05").err
        figures = dict(site.get_model_admin(Offer).figures(offer))
        assert figures["Lowest price"] == "archive cannot be read"
        assert months.place(MAY) is Place.ABSENT


def rewrite(path, **changes):
    """Change values of a manifest, and compute its SHA-256 again."""
    document = json.loads(path.read_text()) | changes
    del document["sha256"]
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    document = {"sha256": hashlib.sha256(text.encode()).hexdigest()} | document
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def change(path):
    path.write_text(path.read_text().replace('"platform": "uzum"', '"platform": "ozon"'))


def without_hash(path):
    document = json.loads(path.read_text())
    del document["sha256"]
    path.write_text(json.dumps(document))


def without_a_file(path):
    document = json.loads(path.read_text())
    rewrite(path, files=[file for file in document["files"] if file["platform"] != "uzum"])


def without_a_file_in_the_old_format(path):
    without_a_file(path)
    without_hash(path)
    path.rename(manifests.folder() / "2021-05.json")


def with_fewer_rows(path):
    without_a_file(path)
    files = json.loads(path.read_text())["files"]
    rewrite(path, files=files, rows=sum(file["rows"] for file in files))


def of_another_database(path):
    ArchivedMonth.objects.update(content_hash="0" * 32)
    path.rename(manifest_of(MAY))


NOT_EXPECTED = "is not the manifest that the database expects"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_text("{}"), r"manifests/2021-05\S+ is damaged"),
        (lambda path: path.unlink(), r"manifests/2021-05\S+ cannot be read"),
        (change, r"is damaged: its SHA-256 does not match\. Copy"),
        (without_hash, "its SHA-256 does not match"),
        (without_a_file, r"is damaged: its files have \d+ rows, it states"),
        (without_a_file_in_the_old_format, r"is damaged: its files have \d+ rows, it states"),
        (with_fewer_rows, r"and the database expects \d+\."),
        (lambda path: rewrite(path, month="2021-06"), f"{NOT_EXPECTED}: it has month 2021-06"),
        (of_another_database, NOT_EXPECTED),
    ],
)
def test_damaged_manifest(damage, message):
    make_history(offers=4)
    archive(MAY)
    damage(manifest_of(MAY))

    with pytest.raises(ArchiveError, match=message):
        queries.monthly_prices()
    assert run("db_unarchive", "2021-05").code == 1
