"""Months of the price history go to files and come back."""

import json

import duckdb
import pytest
from django.contrib.admin import site
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from ecommerce import queries
from ecommerce.archive import export, layout, manifests, months, moving
from ecommerce.archive.months import Place
from ecommerce.models import ArchivedMonth, Offer
from marketplace.databases.revisions import all_migrations
from marketplace.databases.verification import verify
from marketplace.exceptions import ArchiveError
from tests import factories
from tests.commands import run
from tests.ecommerce.archiving import (
    JULY,
    JUNE,
    MAY,
    answers,
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

AGE = f"--older-than={(timezone.now().date() - JULY).days - 10}d"


class TestRollback:
    """The table of archived months goes only when it is empty: the files would be forgotten."""

    def test_is_refused_while_months_are_archived(self):
        make_history()
        archive(MAY, JUNE)
        steps = len(get_migrations_since("0007_price_months"))

        outcome = run("db_rollback", "ecommerce", str(steps), "--force")

        assert (outcome.out, outcome.code) == ("", 1)
        assert outcome.err.startswith(
            "ECOMMERCE: 0007_price_months is kept: 2 months are archived, and only this "
            "migration's table knows of the files in ARCHIVE_DIR. First: python manage.py "
            "db_unarchive 2021-05 2021-06\n"
        )
        assert ArchivedMonth.objects.count() == 2
        with pytest.raises(CommandError, match="0007_price_months is kept: 2 months"):
            call_command("migrate", "ecommerce", "0006_rates", database="ecommerce", verbosity=0)
        run("db_migrate", "--database", "ecommerce")
        assert run("db_archive", "--verify").out.count("verified") == 2

    def test_goes_on_when_they_are_back(self):
        make_history()
        archive(MAY)
        unarchive(MAY)
        steps = len(get_migrations_since("0007_price_months"))

        outcome = run("db_rollback", "ecommerce", str(steps), "--force")
        again = run("db_migrate", "--database", "ecommerce")

        assert (outcome.err, outcome.code) == ("", 0)
        assert "0007_price_months" in again.out


def get_migrations_since(name):
    """Return the names of the migrations from one on."""
    names = all_migrations("ecommerce")
    return names[names.index(name) :]


class TestArchive:
    @pytest.mark.parametrize("debug", [False, True])
    def test_comes_back_as_it_was(self, settings, debug):
        settings.DEBUG = debug
        make_history()
        before = rows(MAY), rows(JUNE)

        moved = archive(MAY, JUNE)

        assert [each.rows for each in moved] == [len(before[0]), len(before[1])]
        assert rows(MAY) == rows(JUNE) == []
        assert months.place(MAY) is Place.ABSENT
        unarchive(JUNE, MAY)
        assert (rows(MAY), rows(JUNE)) == before
        assert not ArchivedMonth.objects.exists()
        # What was brought back has all the indexes, and is archived again like any other.
        assert verify("ecommerce").drifts == ()
        archive(MAY)
        assert moving.verify(ArchivedMonth.objects.get(), is_thorough=True).rows == len(before[0])

    def test_files_explain_themselves(self, archive_dir):
        offers = make_history()
        archive(MAY)

        found = {str(each) for each in archive_dir.glob("price_history/platform=*/month=2021-05/*")}
        with duckdb.connect() as analyst:
            points = analyst.read_parquet(sorted(found))
            kinds = dict(zip(points.columns, map(str, points.dtypes), strict=True))
            named = points.select("platform, offer_external_id, offer_id").distinct().fetchall()
            ordered = [
                analyst.read_parquet(path).select("offer_id, epoch_us(recorded_at)").fetchall()
                for path in found
            ]

        assert found == {str(path) for path in files(MAY)}
        assert kinds["price"] == "DECIMAL(18,2)"
        assert kinds["recorded_at"] == "TIMESTAMP WITH TIME ZONE"
        assert set(named) == {(each.platform, each.external_id, each.pk) for each in offers}
        assert all(each == sorted(each) for each in ordered)

    def test_the_manifest_tells_what_the_files_are(self):
        make_history()
        before = rows(MAY)
        archive(MAY)

        manifest = json.loads(manifest_of(MAY).read_text())

        assert manifest["rows"] == len(before) == sum(each["rows"] for each in manifest["files"])
        assert manifest["min_recorded_at"].startswith("2021-05-01T00:00:00")
        assert [each["platform"] for each in manifest["files"]] == ["ozon", "uzum", "wildberries"]
        assert ArchivedMonth.objects.get().content_hash == manifest["content_hash"]

    def test_a_month_without_points(self):
        factories.price_point(offer=factories.offer(), recorded_at=months.bounds(MAY)[0]).delete()

        assert archive(MAY)[0].rows == 0

        assert files(MAY) == []
        assert queries.monthly_prices() == []
        unarchive(MAY)
        assert months.place(MAY) is Place.ATTACHED

    def test_is_refused_while_another_process_writes(self):
        with (
            layout.exclusive_lock(),
            pytest.raises(ArchiveError, match="Another process is writing"),
        ):
            archive(MAY)


class TestQuestions:
    def test_answers_are_the_same_wherever_the_months_are(self):
        offers = make_history()
        expected = answers(offers)

        archive(MAY)
        assert answers(offers) == expected
        archive(JUNE, JULY)
        assert answers(offers) == expected
        unarchive(JUNE)
        assert answers(offers) == expected
        # They are no answers of nothing.
        assert all(expected.values())
        assert len(expected["an offer"]) > 10

    def test_reads_only_the_months_asked_for(self):
        offers = make_history()
        archive(MAY, JUNE)
        for path in files(MAY):
            path.unlink()

        found = queries.monthly_prices(since=months.bounds(JUNE)[0])

        assert {each.month for each in found} == {JUNE, JULY}
        assert queries.price_points([offers[0].pk], since=months.bounds(JUNE)[0])

    def test_the_command_takes_a_period(self):
        offer = make_history(offers=1)[0]
        archive(MAY)

        done = run(
            "price_history", "uzum", offer.external_id, "--until", "2021-06-01", "--format", "json"
        )

        points = json.loads(done.out)
        assert len(points) == len(queries.price_points([offer.pk], until=months.bounds(JUNE)[0]))
        assert {point["recorded_at"][:7] for point in points} == {"2021-05"}

    def test_the_command_names_what_is_wrong(self):
        assert (
            run("price_history", "uzum", "9").err == "CommandError: There is no offer 9 of uzum.\n"
        )
        done = run("price_history", "uzum", "9", "--since", "May")
        assert "May is no time, such as 2025-06-01" in done.err


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
    def test_blocks_the_drop(self, damage, monkeypatch):
        make_history(offers=4)
        before = rows(MAY)
        write = export._write_files

        def write_damaged(*arguments):
            written = write(*arguments)
            damage(layout.root() / written[1].path)
            return written

        monkeypatch.setattr(export, "_write_files", write_damaged)
        done = run("db_archive", AGE, "--force")

        assert done.code == 1
        assert "2021-05 failed: " in done.err
        assert "platform=uzum/month=2021-05/points-" in done.err
        assert rows(MAY) == before
        assert not ArchivedMonth.objects.exists()

    def test_is_found_before_a_detached_table_is_dropped(self, damage, monkeypatch):
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

        # It was written anew.
        assert damaged[0].exists()
        unarchive(MAY)
        assert rows(MAY) == before

    def test_later_is_an_error_that_names_the_file(self, damage):
        offer = make_history(offers=4)[0]
        archive(MAY)
        path = next(each for each in files(MAY) if "uzum" in str(each))
        queries.monthly_prices()
        damage(path)

        done = run("db_archive", "--verify")
        assert (done.code, done.out) == (1, "")
        assert str(path) in done.err
        for ask in (queries.monthly_prices, lambda: queries.price_points([offer.pk])):
            with pytest.raises(ArchiveError, match=path.name):
                ask()
        assert path.name in run("price_history", "uzum", offer.external_id).err
        assert path.name in run("db_unarchive", "2021-05").err
        figures = dict(site.get_model_admin(Offer).figures(offer))
        assert figures["Lowest price"] == "archive cannot be read"
        assert months.place(MAY) is Place.ABSENT


class TestManifest:
    def test_that_is_damaged_or_absent_is_an_error(self):
        make_history(offers=1)
        archive(MAY)
        path = manifest_of(MAY)

        path.write_text("{}")
        with pytest.raises(ArchiveError, match=r"manifests/2021-05\S+ is damaged"):
            queries.monthly_prices()
        path.unlink()
        with pytest.raises(ArchiveError, match=r"manifests/2021-05\S+ cannot be read"):
            queries.monthly_prices()

    def test_of_another_database_is_an_error(self):
        make_history(offers=1)
        archive(MAY)
        path = manifest_of(MAY)
        ArchivedMonth.objects.update(content_hash="0" * 32)
        path.rename(manifest_of(MAY))

        with pytest.raises(ArchiveError, match="is not what the database names"):
            queries.monthly_prices()


class Killed(BaseException):
    """Ends a call as a signal would."""


STEPS = [
    (manifests, "write"),
    (manifests, "remove_leftovers"),
    (months, "mark"),
    (months, "detach"),
    (months, "drop"),
    (moving, "_is_whole"),
    (moving, "_finished"),
]


class TestInterruption:
    @pytest.mark.parametrize("is_after", [False, True])
    @pytest.mark.parametrize("step", STEPS, ids=lambda step: step[1])
    def test_is_gone_on_with(self, step, is_after, monkeypatch):
        offers = make_history(offers=4)
        before, expected = rows(MAY), answers(offers)
        original = getattr(*step)

        def die(*arguments, **options):
            if is_after:
                original(*arguments, **options)
            raise Killed

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(*step, die)
            archive(MAY)
        assert answers(offers) == expected

        assert run("db_archive", AGE, "--force").code == 0
        assert months.place(MAY) is Place.ABSENT
        assert answers(offers) == expected
        unarchive(MAY)
        assert rows(MAY) == before

    def test_of_bringing_back_changes_nothing(self, monkeypatch):
        offers = make_history(offers=4)
        before, expected = rows(MAY), answers(offers)
        archive(MAY)

        def die(month):
            raise Killed

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(months, "attach", die)
            unarchive(MAY)

        assert months.place(MAY) is Place.ABSENT
        assert answers(offers) == expected
        unarchive(MAY)
        assert rows(MAY) == before

    def test_by_a_session_that_reads_on(self, monkeypatch):
        offers = make_history(offers=4)
        before, expected = rows(MAY), answers(offers)
        monkeypatch.setattr(months, "LOCK_TIMEOUT", 0.2)
        other = connections["ecommerce"].copy()
        other.set_autocommit(False)
        try:
            with other.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM ecommerce_price_history")
                done = run("db_archive", AGE, "--force")
        finally:
            other.close()

        assert done.code == 1
        assert "2021-05 failed: A session has used the price history for more than" in done.err
        assert months.place(MAY) is Place.DETACHING
        assert answers(offers) == expected
        assert "being archived" in run("db_partitions").out
        assert "is being archived" in run("db_unarchive", "2021-05").err
        assert run("db_archive", AGE, "--force").code == 0
        unarchive(MAY)
        assert rows(MAY) == before


class TestCommands:
    def test_a_dry_run_does_nothing(self):
        make_history(offers=4)
        before = rows(MAY)

        done = run("db_archive", AGE, "--dry-run")

        assert done.code == 0
        assert done.out.startswith(f"ECOMMERCE: Would archive 2021-05: {len(before)} rows, ")
        assert rows(MAY) == before

    def test_asks_before(self, monkeypatch):
        make_history(offers=1)
        monkeypatch.setattr("builtins.input", lambda: "no")

        done = run("db_archive", AGE)

        assert done.code == 1
        assert "2 months of the price history will be moved to" in done.err
        assert "Not confirmed: nothing was done." in done.err
        assert months.place(MAY) is Place.ATTACHED

    def test_archives_verifies_and_brings_back(self):
        make_history(offers=4)
        count = len(rows(MAY))

        archived = run("db_archive", AGE, "--force")
        verified = run("db_archive", "--verify", "--format", "json")
        planned = run("db_unarchive", "2021-05", "--dry-run")
        brought = run("db_unarchive", "2021-05")

        assert archived.code == 0, archived.err
        assert f"ECOMMERCE: archived 2021-05: {count} rows" in archived.out
        assert [each["month"] for each in json.loads(verified.out)] == ["2021-05-01", "2021-06-01"]
        assert planned.out.startswith(f"ECOMMERCE: Would bring back 2021-05: {count} rows from ")
        assert brought.out.startswith(f"ECOMMERCE: brought back 2021-05: {count} rows from ")
        assert len(rows(MAY)) == count

    def test_say_when_there_is_nothing_to_do(self):
        make_history(offers=1)

        done = run("db_archive", "--older-than=36500d")

        assert done.out == "ECOMMERCE: nothing to archive: no month ended 36,500 days ago\n"
        assert run("db_unarchive", "2021-05").err.startswith(
            "ECOMMERCE: 2021-05 is not archived. Archived months: none."
        )
        assert "May is no month, such as 2025-06." in run("db_unarchive", "May").err

    def test_lists_months(self):
        make_history(offers=4)
        counts = len(rows(MAY)), len(rows(JUNE))
        archive(MAY)

        found = json.loads(run("db_partitions", "--format", "json").out)
        shown = run("db_partitions").out.splitlines()

        states = {each["month"]: (each["state"], each["rows"]) for each in found["months"]}
        assert states["2021-05-01"] == ("archived", counts[0])
        assert states["2021-06-01"] == ("hot", counts[1])
        assert shown[0] == "ECOMMERCE: price history by month"
        assert f"   2021-05  archived {timezone.now():%Y-%m-%d}, {counts[0]} rows" in shown
        assert any(line.startswith(f"   2021-06  hot, {counts[1]} rows, ") for line in shown)
