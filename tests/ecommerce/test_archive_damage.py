"""Damaged files and manifests are reported, and block dropping a table."""

import pytest
from django.contrib.admin import site

from ecommerce import queries
from ecommerce.archive import export, layout, months
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


class TestManifest:
    def test_damaged_or_missing_manifest(self):
        make_history(offers=1)
        archive(MAY)
        path = manifest_of(MAY)

        path.write_text("{}")
        with pytest.raises(ArchiveError, match=r"manifests/2021-05\S+ is damaged"):
            queries.monthly_prices()
        path.unlink()
        with pytest.raises(ArchiveError, match=r"manifests/2021-05\S+ cannot be read"):
            queries.monthly_prices()

    def test_manifest_of_another_database(self):
        make_history(offers=1)
        archive(MAY)
        path = manifest_of(MAY)
        ArchivedMonth.objects.update(content_hash="0" * 32)
        path.rename(manifest_of(MAY))

        with pytest.raises(ArchiveError, match="is not the manifest that the database expects"):
            queries.monthly_prices()
